"""The senders: device messages that are due are claimed, handed to their gateways and marked."""

# The channel on which senders are told that something was planned.
DEVICE_MESSAGES = "device_messages"

# SQL: what becomes of a message that was tried and is not tried again as the escalation of its recipient (r, of alarm
# a) is over: given up (4) where their time ran out, cancelled (5) where they answered or the alarm was closed.
TRIED_AND_OVER = "CASE WHEN r.response IS NULL AND a.closed_at IS NULL THEN 4 ELSE 5 END"
