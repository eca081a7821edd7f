"""The dashboard of what a run runs on: workers, processors, memory."""

from __future__ import annotations

from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    age,
    gauge,
    increase,
    of_participants,
    rate,
    series,
)
from dashboards.training import STATE, STEPS_PER_SECOND
from dashboards.training import UID as TRAINING_UID

UID = "hairpin-cluster"

PER_WORKER = f"{STEPS_PER_SECOND} / {gauge('workers_healthy')}"
EFFICIENCY = f"({PER_WORKER}) / max_over_time(({PER_WORKER})[$__range:$__rate_interval])"
SAMPLING = "physics|camera|reward|inference"
SHARE_SAMPLING = (
    'sum by (run) (rate(hairpin_phase_seconds_total{run=~"$run",'
    f'phase=~"{SAMPLING}"}}[$__rate_interval])) / {rate("phase_seconds_total")}'
)

RUNS = Row(
    "",
    (
        Panel(
            "Runs",
            "Every chosen run that is there now. Its name leads to its training dashboard.",
            "short",
            (
                Query(f"max by (run, track, actions) ({series('run_info')})"),
                Query(STATE.expr),
                Query(age("run_start_time_seconds"), "running for", unit="s"),
                Query(gauge("run_env_steps"), "steps"),
                Query(STEPS_PER_SECOND, "steps/s"),
                Query(
                    gauge("evaluation_completion_ratio"),
                    "completion",
                    unit="percentunit",
                    thresholds=((0, RED), (0.5, ORANGE), (0.95, GREEN)),
                ),
                Query(gauge("best_lap_time_seconds"), "best lap", unit="s"),
                Query(gauge("workers_healthy"), "workers"),
            ),
            kind="table",
            width=24,
            height=6,
            decimals=1,
            link=TRAINING_UID,
        ),
    ),
)

WORKERS = Row(
    "Workers",
    (
        Panel(
            "Workers wanted and healthy",
            "Rollout workers that the job asks for, and those that sample.",
            "none",
            (
                Query(gauge("workers_wanted"), "{{run}} wanted", GREY, dashed=True),
                Query(gauge("workers_healthy"), "{{run}} healthy", BLUE),
            ),
            steps=True,
            minimum=0,
            decimals=0,
        ),
        Panel(
            "Losses and restarts",
            "Workers that died or stopped answering, and those that came back into service, "
            "between two points of the graph.",
            "none",
            (
                Query(increase("worker_losses_total"), "{{run}} lost", RED),
                Query(increase("worker_restarts_total"), "{{run}} restarted", GREEN),
            ),
            bars=True,
            minimum=0,
        ),
        Panel(
            "Age of a worker's last fragment",
            "Since a worker last handed in what it drove. All rise and fall together; a line that "
            "goes on rising is a worker that hangs.",
            "s",
            (
                Query(
                    age("worker_last_fragment_time_seconds", "worker"), "{{run}} worker {{worker}}"
                ),
            ),
            minimum=0,
        ),
        Panel(
            "Steps per second of a worker",
            "A worker well below the others has a slower or a busier machine, and all wait for it.",
            "short",
            (Query(rate("worker_env_steps_total", "worker"), "{{run}} worker {{worker}}"),),
            minimum=0,
        ),
        Panel(
            "Scaling efficiency",
            "Steps per second and healthy worker, relative to the best of that in the shown "
            "time. It falls when more workers bring less each: processors that are shared, or a "
            "learner that all wait for.",
            "percentunit",
            (Query(EFFICIENCY, "{{run}}", BLUE),),
            minimum=0,
            maximum=1,
        ),
        Panel(
            "Time that the workers drive",
            "Share of the training loop's time in which all workers drive side by side. The rest "
            "is learning, evaluations, checkpoints and waiting, which more workers do not shorten.",
            "percentunit",
            (Query(SHARE_SAMPLING, "{{run}}", BLUE),),
            minimum=0,
            maximum=1,
        ),
    ),
)

PROCESSES = Row(
    "Processors and memory of our processes",
    (
        Panel(
            "Processors used",
            "Processor cores that each process keeps busy. A worker uses one; the driver as many "
            "as it learns with.",
            "none",
            (
                Query(rate("worker_cpu_seconds_total", "worker"), "{{run}} worker {{worker}}"),
                Query(rate("driver_cpu_seconds_total"), "{{run}} driver"),
            ),
            width=12,
            stack="normal",
            minimum=0,
            decimals=2,
        ),
        Panel(
            "Memory",
            "Resident memory of each process. Pages that processes share are counted in each.",
            "bytes",
            (
                Query(gauge("worker_memory_bytes", "worker"), "{{run}} worker {{worker}}"),
                Query(gauge("driver_memory_bytes"), "{{run}} driver"),
            ),
            width=12,
            stack="normal",
            minimum=0,
        ),
    ),
)

WORKSHOP = Row(
    "Workshop (where participants share the cluster)",
    (
        Panel(
            "Trainings that wait and run",
            "Those that wait for their turn, and those that have it, of all participants. Waiting "
            "ones that go on rising want more workers or smaller limits.",
            "none",
            (
                Query(f"sum({of_participants('workshop_jobs_waiting')})", "waiting", ORANGE),
                Query(f"sum({of_participants('workshop_jobs_running')})", "running", GREEN),
            ),
            width=12,
            steps=True,
            minimum=0,
            decimals=0,
        ),
        Panel(
            "Longest wait",
            "How long the training that waits longest has waited, by participant.",
            "s",
            (Query(of_participants("workshop_longest_wait_seconds"), "{{tenant}}"),),
            width=12,
            minimum=0,
        ),
        Panel(
            "Participants",
            "What each participant has now, and has used of training so far; - is whoever is none.",
            "none",
            (
                Query(of_participants("workshop_jobs_waiting"), "waiting"),
                Query(of_participants("workshop_jobs_running"), "running"),
                Query(
                    of_participants("workshop_longest_wait_seconds"),
                    "longest wait",
                    unit="s",
                ),
                Query(of_participants("workshop_training_seconds_total"), "used", unit="s"),
            ),
            kind="table",
            width=24,
        ),
    ),
    collapsed=True,
)

RAY = Row(
    "Ray's nodes (where Prometheus scrapes Ray)",
    (
        Panel(
            "Processors of a node",
            "Cores in use on each node, by whatever process, and all that there are.",
            "none",
            (
                Query(
                    "sum by (instance) (ray_node_cpu_utilization * ray_node_cpu_count) / 100",
                    "{{instance}}",
                ),
                Query("sum(ray_node_cpu_count)", "all cores", GREY, dashed=True),
            ),
            minimum=0,
        ),
        Panel(
            "Memory of a node",
            "Memory in use on each node, and the most that one has.",
            "bytes",
            (
                Query("sum by (instance) (ray_node_mem_used_host)", "{{instance}}"),
                Query("max(ray_node_mem_total_host)", "largest node", GREY, dashed=True),
            ),
            minimum=0,
        ),
        Panel(
            "Ray's object store",
            "Bytes in Ray's object store by where they lie. Fragments pass through it; what is "
            "spilled to disk slows every iteration.",
            "bytes",
            (
                Query("sum by (Location) (ray_object_store_memory)", "{{Location}}"),
                Query('sum(ray_resources{Name="object_store_memory"})', "limit", GREY, dashed=True),
            ),
            minimum=0,
        ),
    ),
    collapsed=True,
)

CLUSTER = Dashboard(
    UID,
    "Hairpin: Cluster",
    "Which runs there are, whether their workers are well, and what they use.",
    (RUNS, WORKERS, PROCESSES, WORKSHOP, RAY),
    all_runs=True,
)
