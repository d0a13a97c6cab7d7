"""What happened: alarms, their recipients, what goes to each device, the answers, and who is told of it."""

from alarms.models.alarm import STATES as STATES
from alarms.models.alarm import Alarm as Alarm
from alarms.models.alarm import AlarmMessage as AlarmMessage
from alarms.models.alarm import AlarmMessageQuerySet as AlarmMessageQuerySet
from alarms.models.alarm import Feedback as Feedback
from alarms.models.alarm import IdempotencyKey as IdempotencyKey
from alarms.models.alarm import WrongCode as WrongCode
from alarms.models.audit import Audit as Audit
from alarms.models.audit import Trouble as Trouble
from alarms.models.counter import CounterIncrement as CounterIncrement
from alarms.models.hook import Hook as Hook
from alarms.models.hook import HookEvent as HookEvent
from alarms.models.hook import HookTry as HookTry
from alarms.models.message import DeviceMessage as DeviceMessage
from alarms.models.message import DeviceRate as DeviceRate
from alarms.models.message import OrganizationGateway as OrganizationGateway
from alarms.models.message import Sender as Sender
from alarms.models.template import AlarmTemplate as AlarmTemplate
