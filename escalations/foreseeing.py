"""What a list of entries will do, as far as can be said before an alarm: as `escalations.plan` has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from escalations.durations import in_words
from escalations.plan import Entry, Step, plan
from organizations.models import Way

# What is drawn and named at most: whose alarms differ is read on the pages of the organizations.
MOST_OUTLOOKS = 3
MOST_NAMES = 3


class Concerned(NamedTuple):
    """What holds for the alarms of an organization."""

    name: str
    """Empty: which organization is not known."""
    timeout: int
    """Seconds."""
    ways: frozenset[str]
    """Those that have a gateway."""
    disabled: frozenset[str] = frozenset()
    prescribes: bool = False


class Owner(NamedTuple):
    """Whose list it is."""

    concerned: Sequence[Concerned]
    devices: frozenset[str] | None = None
    """The ways of which a user has an active device; None where it is not about one user."""
    active: bool = True
    prescribing: str = ""
    """The name of an organization whose own list it is."""

    def holding(self) -> list[Concerned]:
        """Return for whose alarms the list holds; if for nobody's, those of all, so that there is something to see."""
        return [each for each in self.concerned if not each.prescribes] or list(self.concerned)

    def obstacle(self, way: str, concerned: Concerned) -> str:
        """Return in two words why nothing is sent by a way, empty if something is."""
        if way not in concerned.ways:
            return _("no gateway")
        if way in concerned.disabled:
            return _("disabled")
        if self.devices is not None and way not in self.devices:
            return _("no device")
        return ""

    def usable(self, concerned: Concerned) -> frozenset[str]:
        return frozenset(way for way in Way.values if not self.obstacle(way, concerned))


class Outlook(NamedTuple):
    """What happens in an alarm, where nobody answers and nothing fails."""

    names: list[str]
    """The organizations in whose alarms it does."""
    steps: list[Step]
    end: int
    """When the time to answer is over, in seconds after the start of the alarm."""
    timeout: int
    silent: dict[str, str]
    """The ways by which nothing is sent, each with why."""
    as_if: bool
    """Nothing can reach the person as things stand: it shows what would happen if everything could."""

    def late(self, step: Step) -> bool:
        return step.after >= self.end


class Warned(NamedTuple):
    kind: str
    """The class of a banner."""
    text: str


def outlook(entries: Sequence[Entry], owner: Owner, concerned: Concerned) -> Outlook:
    """Return what happens in alarms of an organization."""
    ways = dict.fromkeys(entry.wayofalarm for entry in entries)
    silent = {way: reason for way in ways if (reason := owner.obstacle(way, concerned))}
    steps = plan(entries, owner.usable(concerned))
    as_if = bool(entries) and not steps
    if as_if:
        steps = plan(entries, frozenset(Way.values))
    return Outlook([concerned.name], steps, end(steps, concerned), concerned.timeout, silent, as_if)


def end(steps: Sequence[Step], concerned: Concerned) -> int:
    """Return when the time to answer is over: it counts from the first message (contract 5)."""
    return (steps[0].after if steps else 0) + concerned.timeout


def outlooks(entries: Sequence[Entry], owner: Owner) -> list[Outlook]:
    """Return what happens, once for all organizations for whose alarms it is the same, the shortest time first."""
    found: list[Outlook] = []
    for concerned in sorted(owner.holding(), key=lambda each: (each.timeout, each.name)):
        new = outlook(entries, owner, concerned)
        same = [each for each in found if each._replace(names=new.names) == new]
        if same:
            same[0].names.append(concerned.name)
        else:
            found.append(new)
    return found


def sentences(outlook: Outlook) -> list[str]:
    """Return what happens in the order in which it does, a sentence each."""
    beats: dict[int, list[Step]] = {}
    for step in outlook.steps:
        beats.setdefault(step.after, []).append(step)
    told = [(after, outlook.late(steps[0]), _beat(after, steps, outlook)) for after, steps in beats.items()]
    if outlook.steps:
        told.append((outlook.end, False, _over(outlook)))
    return [sentence for _after, _late, sentence in sorted(told)]


def _beat(after: int, steps: Sequence[Step], outlook: Outlook) -> str:
    words = {"time": in_words(after), "ways": listed(way_name(step.wayofalarm) for step in steps)}
    if outlook.late(steps[0]):
        return _("After %(time)s %(ways)s: too late, not sent any more") % words
    return _("After %(time)s %(ways)s") % words


def _over(outlook: Outlook) -> str:
    words = {"time": in_words(outlook.end), "timeout": in_words(outlook.timeout)}
    if outlook.end == outlook.timeout:
        return _("Time out after %(time)s") % words
    return _("Time out after %(time)s (%(timeout)s after the first message)") % words


def warnings(entries: Sequence[Entry], owner: Owner) -> list[Warned]:
    """Return what somebody should know before they rely on these entries."""
    found: list[Warned] = []
    if not owner.active:
        found.append(Warned("negative", _("This person is deactivated and gets no alarms.")))
    if replaced := [each.name for each in owner.concerned if each.prescribes]:
        text = _("In alarms of %(organizations)s these entries do not count: an escalation is prescribed there.")
        found.append(Warned("waiting", text % {"organizations": named(replaced)}))
    found += [Warned("negative", _nobody(each, owner)) for each in outlooks(entries, owner) if each.as_if]
    for way in dict.fromkeys(entry.wayofalarm for entry in entries):
        found += [Warned("waiting", text) for text in _obstacles(way, owner)]
    return found + [Warned("waiting", text) for text in _too_late(entries, owner)]


def _nobody(outlook: Outlook, owner: Owner) -> str:
    if len(outlook.names) == len(owner.holding()):
        return _("As things stand nothing is sent. The drawing shows what would happen if every way could be used.")
    text = _(
        "As things stand nothing is sent in alarms of %(organizations)s. Their drawing shows what would happen if every"
        " way could be used."
    )
    return text % {"organizations": named(outlook.names)}


def _obstacles(way: str, owner: Owner) -> list[str]:
    holding, found = owner.holding(), []
    without = [each for each in holding if way not in each.ways]
    disabled = [each.name for each in holding if way in each.ways and way in each.disabled]
    words = {"way": capfirst(way_name(way)), "organizations": named(each.name for each in without)}
    if without and len(without) == len(holding):
        found.append(_("%(way)s has no gateway: nothing is sent by it.") % words)
    elif without:
        found.append(_("%(way)s has no gateway in alarms of %(organizations)s: nothing is sent by it there.") % words)
    if disabled:
        text = _("%(way)s is disabled by %(organizations)s: in its alarms nothing is sent by it.")
        found.append(text % (words | {"organizations": named(disabled)}))
    if owner.devices is not None and way not in owner.devices:
        found.append(_("%(way)s: this person has no active device for it, so nothing is sent by it.") % words)
    return found


def _too_late(entries: Sequence[Entry], owner: Owner) -> list[str]:
    """Return a text for each step at or behind the end of the time to answer, which names the shortest."""
    everything = plan(entries, frozenset(Way.values))
    late: dict[tuple[int, str], Concerned] = {}
    for concerned in sorted(owner.holding(), key=lambda each: (each.timeout, each.name)):
        usable = owner.usable(concerned)
        steps = plan(entries, usable)
        # What nothing is sent by now is judged too, by where it will lie once something is.
        for step in (*steps, *(step for step in everything if step.wayofalarm not in usable)):
            if step.after >= end(steps or everything, concerned):
                late.setdefault((step.after, step.wayofalarm), concerned)
    return [_late(after, way, concerned) for (after, way), concerned in sorted(late.items())]


def _late(after: int, way: str, concerned: Concerned) -> str:
    words = {
        "way": capfirst(way_name(way)),
        "time": in_words(after),
        "organization": concerned.name,
        "timeout": in_words(concerned.timeout),
    }
    if concerned.name:
        text = _("%(way)s after %(time)s lies behind the response timeout of %(organization)s (%(timeout)s): not sent.")
        return text % words
    return _("%(way)s after %(time)s lies behind the response timeout (%(timeout)s): not sent.") % words


def way_name(way: str) -> str:
    return str(Way(way).label)


def listed(words: Iterable[str]) -> str:
    """Return words in a row, such as a, b and c."""
    return str(get_text_list(list(words), _("and")))


def named(organizations: Iterable[str]) -> str:
    """Return the names in a row, and of many how many more there are."""
    names = list(organizations)
    more = len(names) - MOST_NAMES
    if more <= 0:
        return listed(names)
    return listed([*names[:MOST_NAMES], ngettext("%(number)d more", "%(number)d more", more) % {"number": more}])
