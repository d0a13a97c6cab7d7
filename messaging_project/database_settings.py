"""How the service is connected to its database."""

# A process that is paused or cut off must not hold others up with the locks it has taken: a transaction in which
# nothing happens ends, nobody waits long for a lock, and a peer that is gone is noticed.
CONNECTION = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "options": "-c idle_in_transaction_session_timeout=30s -c lock_timeout=5s",
}
