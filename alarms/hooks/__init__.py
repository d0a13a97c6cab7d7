"""Outgoing hooks: organizations register URLs that are told of what happens to their alarms.

Whatever changes an alarm records events in the same transaction (recording.py); workers tell the hooks of them, those
of one alarm in their order (claiming.py, posting.py, outcomes.py, delivering.py).
"""

# The job that tells hooks of what is due, by its name: who records must not load what the job needs.
DELIVER = "alarms.deliver_hooks"
QUEUE = "hooks"
