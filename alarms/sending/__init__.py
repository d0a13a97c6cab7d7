"""The senders: device messages that are due are claimed, handed to their gateways and marked."""

# The channel on which senders are told that something was planned.
DEVICE_MESSAGES = "device_messages"
