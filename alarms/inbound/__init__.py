"""What comes in from gateways: answers by SMS and by voice, and what Twilio tells of its messages."""
