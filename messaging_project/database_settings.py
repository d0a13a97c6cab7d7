"""How the service is connected to its database."""

# A process that is paused or cut off must not hold others up with the locks it has taken: a transaction in which
# nothing happens ends, nobody waits long for a lock, and a peer that is gone is noticed.
#
# The triggers of the history look up which of them to leave out: none. Where nothing says so they catch an error at
# each row, which for the many rows of an import takes a time that grows with their square.
#
# No query here is so long that compiling it would pay; with full tables PostgreSQL thinks so of some.
CONNECTION = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "options": "-c idle_in_transaction_session_timeout=30s -c lock_timeout=5s -c pgtrigger.ignore={} -c jit=off",
}
