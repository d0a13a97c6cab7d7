"""What is counted for the metrics."""

from __future__ import annotations

from django.db import models

from organizations.models import Way


class CounterIncrement(models.Model):
    """By how much a counter has risen (alarms/counting.py): its value is the sum of its rows."""

    counter = models.CharField(max_length=20)
    way = models.CharField(max_length=5, choices=Way.choices, blank=True)
    kind = models.CharField(max_length=20)
    value = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.counter} {self.way} {self.kind} +{self.value}"
