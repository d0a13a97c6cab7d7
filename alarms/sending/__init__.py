"""The senders: device messages that are due are claimed, handed to their gateways and marked."""

# The channel on which senders are told that something was planned.
DEVICE_MESSAGES = "device_messages"

# SQL, of a message m, its recipient r and their alarm a: until when it may still leave. An alarm's may while its
# recipient is waited for, an all-clear for an hour after it was ordered.
MAY_LEAVE_UNTIL = """CASE
        WHEN m.kind = 1 THEN coalesce(a.all_clear_at + interval '1 hour', '-infinity')
        WHEN r.escalating THEN r.deadline
        ELSE '-infinity'
    END"""

# SQL: what becomes of a message that was tried and is not tried again as the escalation of its recipient is over: given
# up (4) where their time ran out, cancelled (5) where they answered or the alarm was closed.
TRIED_AND_OVER = "CASE WHEN m.kind = 1 OR r.response IS NULL AND a.closed_at IS NULL THEN 4 ELSE 5 END"
