"""The fair queue, by its promises: nobody starves, limits hold, the order does not waver."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.workshop.queue import LEASE_S, Queue, Ticket
from hairpin.workshop.rules import Limits, Rules

TENANTS = ("anna", "bert", "carl", "")


@dataclass
class Hall:
    """Jobs that come, ask every second, run for a while and end; some are killed."""

    rules: Rules
    queue: Queue = field(init=False)
    now: float = 0.0
    tickets: dict[str, Ticket] = field(default_factory=dict)
    left_s: dict[str, float] = field(default_factory=dict)
    began: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = Queue(lambda: self.rules)

    def come(self, tenant: str, workers: int, runs_s: float) -> str:
        job = f"{tenant}.{len(self.left_s)}"
        self.tickets[job] = Ticket(job, tenant, workers, self.now)
        self.left_s[job] = runs_s
        return job

    def kill(self, job: str) -> None:
        self.tickets.pop(job, None)

    def restart(self) -> None:
        """The actor dies; what replaces it knows the minutes and nobody."""
        self.queue = Queue(lambda: self.rules, self.queue.used_s, quiet_until=self.now + 2.0)

    def pass_a_second(self) -> None:
        self.now += 1.0
        for job, ticket in list(self.tickets.items()):
            answer = self.queue.hear(ticket, self.now)
            if answer.go and not ticket.running:
                self.began.append(job)
                self.tickets[job] = replace(ticket, running=True)
            assert answer.place == 0 if answer.go else 1 <= answer.place <= answer.waiting
            self.check_limits()
            if answer.go:
                self.left_s[job] -= 1.0
                if self.left_s[job] <= 0.0:
                    self.queue.leave(job, self.now)
                    del self.tickets[job]

    def check_limits(self) -> None:
        running = self.queue.running()
        assert sum(running.values()) <= self.rules.workers
        for tenant, workers in running.items():
            assert workers <= self.rules.workers_of(tenant)

    def waiting(self) -> list[str]:
        return [job for job, ticket in self.tickets.items() if not ticket.running]


RULES = st.builds(
    lambda room, share: Rules(
        workers=room,
        limits=Limits(workers=min(share, room)),
        participants={name: Limits() for name in TENANTS if name},
    ),
    st.integers(1, 12),
    st.integers(1, 4),
)
ARRIVALS = st.lists(
    st.tuples(
        st.integers(0, 5),  # seconds until the next
        st.sampled_from(TENANTS),
        st.integers(1, 12),
        st.integers(1, 20),
        st.sampled_from(["ends", "ends", "ends", "killed", "restart"]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(rules=RULES, arrivals=ARRIVALS)
def test_everybody_gets_a_turn_and_nobody_more_than_the_limit(
    rules: Rules, arrivals: list[tuple[int, str, int, int, str]]
) -> None:
    hall, killed, wait_s = Hall(rules), set[str](), 0.0
    for pause, tenant, workers, runs_s, fate in arrivals:
        job = hall.come(tenant, min(workers, rules.workers_of(tenant)), runs_s)
        wait_s += pause + runs_s + LEASE_S + 3.0
        if fate == "restart":
            hall.restart()
        for _ in range(pause):
            hall.pass_a_second()
        if fate == "killed":
            hall.kill(job)
            killed.add(job)
    while hall.tickets:
        assert hall.now <= wait_s, f"{hall.waiting()} starve"
        hall.pass_a_second()
    assert set(hall.left_s) - killed <= set(hall.began)


@settings(max_examples=100, deadline=None)
@given(rules=RULES, jobs=st.lists(st.tuples(st.sampled_from(TENANTS), st.integers(1, 3))))
def test_the_order_stays_and_is_the_order_in_which_turns_come(
    rules: Rules, jobs: list[tuple[str, int]]
) -> None:
    hall = Hall(rules)
    for tenant, workers in jobs:
        hall.come(tenant, min(workers, rules.workers_of(tenant)), 1e9)
        hall.now += 0.01
    hall.pass_a_second()
    hall.pass_a_second()
    line = hall.queue.line()
    hall.pass_a_second()
    assert hall.queue.line() == line
    for tenant in TENANTS:
        own = [job for job in line if job.startswith(f"{tenant}.")]
        assert own == sorted(own, key=lambda job: int(job.partition(".")[2]))
    # A participant who has nothing goes before one who has something.
    firsts = [job for job in line if hall.queue.running().get(job.partition(".")[0], 0) == 0]
    if firsts:
        assert line[0] in firsts


def test_the_first_in_line_is_not_passed_by_smaller_ones() -> None:
    rules = Rules(workers=4, participants={"anna": Limits(), "bert": Limits(), "carl": Limits()})
    hall = Hall(rules)
    running = hall.come("anna", 3, 5.0)
    hall.pass_a_second()
    large = hall.come("bert", 4, 5.0)
    hall.pass_a_second()
    small = hall.come("carl", 1, 5.0)
    for _ in range(30):
        hall.pass_a_second()
    assert hall.began == [running, large, small]


def test_turns_go_round_and_one_who_asks_for_many_does_not_get_them_all() -> None:
    rules = Rules(workers=2, participants={"anna": Limits(), "bert": Limits()})
    hall = Hall(rules)
    many = [hall.come("anna", 1, 3.0) for _ in range(6)]
    hall.pass_a_second()
    late = [hall.come("bert", 1, 3.0) for _ in range(2)]
    assert hall.queue.line() == many[2:]
    hall.pass_a_second()
    assert hall.queue.line()[0] == late[0]
    for _ in range(20):
        hall.pass_a_second()
    assert set(hall.began[2:6]) == {*late, *many[2:4]}


def test_minutes_are_counted_for_those_who_train_and_outlive_the_queue() -> None:
    hall = Hall(Rules(workers=1, participants={"anna": Limits(), "bert": Limits()}))
    hall.come("anna", 1, 1e9)
    hall.come("bert", 1, 1e9)
    for _ in range(61):
        hall.pass_a_second()
    assert hall.queue.used_s == {"anna": pytest.approx(60.0)}
    hall.restart()
    for _ in range(31):
        hall.pass_a_second()
    assert hall.queue.used_s == {"anna": pytest.approx(90.0)}
    assert hall.queue.running() == {"anna": 1}


def test_a_job_that_is_silent_has_ended() -> None:
    hall = Hall(Rules(workers=1, participants={"anna": Limits(), "bert": Limits()}))
    dead, alive = hall.come("anna", 1, 1e9), hall.come("bert", 1, 1e9)
    hall.pass_a_second()
    hall.kill(dead)
    while hall.now < LEASE_S:
        hall.pass_a_second()
        assert hall.waiting() == [alive]
    hall.pass_a_second()
    hall.pass_a_second()
    assert hall.waiting() == []
