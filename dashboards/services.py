"""The dashboard of what takes a run's checkpoints, videos and figures."""

from __future__ import annotations

from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    JOB,
    ORANGE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    Stat,
    age,
    gauge,
    increase,
    rate,
    series,
)

UID = "hairpin-services"

NO_STREAMS = f"0 * {gauge('run_info')}"
SPOOL_SHARE = f"{gauge('spool_bytes')} / ({gauge('spool_limit_bytes')} > 0)"

TOP = Row(
    "",
    (
        Stat(
            "Store",
            "Whether the store takes what is sent to it. A folder on this machine always does.",
            "none",
            (Query(gauge("store_up"), "{{run}}"),),
            thresholds=((0, RED), (1, GREEN)),
            texts=(("0", "down", RED), ("1", "up", GREEN)),
        ),
        Stat(
            "Age of the newest checkpoint",
            "Since the newest checkpoint was written to this machine's disk.",
            "s",
            (Query(age("checkpoint_last_time_seconds"), "{{run}}"),),
            width=4,
            decimals=0,
            no_value="none yet",
        ),
        Stat(
            "Uploads waiting",
            "Files that wait to be uploaded to the store.",
            "none",
            (Query(gauge("uploads_pending"), "{{run}}"),),
            thresholds=((0, GREEN), (20, ORANGE), (100, RED)),
        ),
        Stat(
            "Spool in use",
            "How full the spool is, which keeps what waits for the store. When it is full, the "
            "oldest checkpoints that are not the best are dropped.",
            "percentunit",
            (Query(f"{SPOOL_SHARE} or 0 * {gauge('spool_bytes')}", "{{run}}"),),
            width=4,
            minimum=0,
            maximum=1,
            thresholds=((0, GREEN), (0.5, ORANGE), (0.8, RED)),
        ),
        Stat(
            "Free disk",
            "Free bytes of the disk that the run is written to.",
            "bytes",
            (Query(gauge("disk_free_bytes"), "{{run}}"),),
            width=4,
            thresholds=((0, RED), (2e9, ORANGE), (1e10, GREEN)),
        ),
        Stat(
            "Video streams",
            "Streams that reach the video server; 0 for a run without video.",
            "none",
            (Query(f"sum by (run) ({series('video_up')}) or {NO_STREAMS}", "{{run}}"),),
        ),
        Stat(
            "Endpoints up",
            "Endpoints of Hairpin's metrics that Prometheus could read.",
            "none",
            (Query(f"sum(up{{{JOB}}})", "up"),),
            thresholds=((0, RED), (1, GREEN)),
        ),
    ),
)

CHECKPOINTS = Row(
    "Checkpoints",
    (
        Panel(
            "Age of checkpoints",
            "Since the newest checkpoint was written, since the newest one was published in the "
            "store, and how often the job wants one. Saw teeth as high as the wish are right; a "
            "published line that leaves the written one is a store that does not keep up.",
            "s",
            (
                Query(age("checkpoint_last_time_seconds"), "{{run}} written", BLUE),
                Query(age("checkpoint_published_time_seconds"), "{{run}} published", ORANGE),
                Query(gauge("checkpoint_interval_seconds"), "{{run}} wanted", GREY, dashed=True),
            ),
            width=12,
            minimum=0,
        ),
        Panel(
            "Age of the best policy",
            "Since the best policy was last replaced. It grows while the car does not improve.",
            "s",
            (Query(age("checkpoint_best_time_seconds"), "{{run}}", BLUE),),
            width=12,
            minimum=0,
        ),
        Panel(
            "Time for a checkpoint",
            "How long the training waited for its newest checkpoint. Uploading is not in it.",
            "s",
            (Query(gauge("checkpoint_duration_seconds"), "{{run}}", BLUE),),
            minimum=0,
        ),
        Panel(
            "Size of a checkpoint",
            "All files of the newest checkpoint.",
            "bytes",
            (Query(gauge("checkpoint_size_bytes"), "{{run}}", BLUE),),
            minimum=0,
        ),
        Panel(
            "Checkpoints written and damaged",
            "Checkpoints written since the process began, those found damaged when read, and "
            "those dropped because the spool was full.",
            "none",
            (
                Query(gauge("checkpoints_total"), "{{run}} written", BLUE),
                Query(gauge("checkpoints_damaged_total"), "{{run}} damaged", RED),
                Query(gauge("spool_dropped_total"), "{{run}} dropped", ORANGE),
            ),
            steps=True,
            minimum=0,
            decimals=0,
        ),
    ),
)

UPLOADS = Row(
    "Uploads",
    (
        Panel(
            "Files waiting",
            "Files that wait to be uploaded. It should fall to zero between two checkpoints.",
            "none",
            (Query(gauge("uploads_pending"), "{{run}}", BLUE),),
            steps=True,
            minimum=0,
        ),
        Panel(
            "Uploads, failures and retries",
            "Files uploaded, attempts that failed, and attempts that were repeats, between two "
            "points of the graph.",
            "none",
            (
                Query(increase("uploads_total"), "{{run}} uploaded", GREEN),
                Query(increase("upload_failures_total"), "{{run}} failed", RED),
                Query(increase("upload_retries_total"), "{{run}} retried", ORANGE),
            ),
            bars=True,
            minimum=0,
        ),
        Panel(
            "Upload rate",
            "Bytes a second that went to the store.",
            "Bps",
            (Query(rate("upload_bytes_total"), "{{run}}", BLUE),),
            minimum=0,
        ),
        Panel(
            "Spool",
            "Bytes on this machine's disk that wait for the store, and how many may.",
            "bytes",
            (
                Query(gauge("spool_bytes"), "{{run}} waiting", BLUE),
                Query(gauge("spool_limit_bytes"), "{{run}} limit", GREY, dashed=True),
            ),
            minimum=0,
        ),
        Panel(
            "Free space",
            "Free bytes of the disk that runs are written to.",
            "bytes",
            (Query(gauge("disk_free_bytes"), "{{run}}", BLUE),),
            minimum=0,
        ),
        Panel(
            "Store up",
            "1 while the store takes what is sent to it, 0 while it fails.",
            "none",
            (Query(gauge("store_up"), "{{run}}", BLUE),),
            steps=True,
            minimum=0,
            maximum=1,
            decimals=0,
        ),
    ),
)

VIDEO = Row(
    "Video (runs with --video)",
    (
        Panel(
            "Streams up",
            "1 while a stream reaches the video server.",
            "none",
            (Query(gauge("video_up", "stream"), "{{run}} {{stream}}"),),
            width=6,
            steps=True,
            minimum=0,
            maximum=1,
            decimals=0,
        ),
        Panel(
            "Frames per second",
            "Frames that were sent, by stream.",
            "short",
            (Query(rate("video_frames_total", "stream"), "{{run}} {{stream}}"),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Dropped frames per second",
            "Frames that were dropped because the video server or the encoder was too slow. The "
            "training never waits for them.",
            "short",
            (Query(rate("video_frames_dropped_total", "stream"), "{{run}} {{stream}}"),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Attempts to connect",
            "Between two points of the graph. Many of them: the video server refuses, or goes "
            "away again and again.",
            "none",
            (Query(increase("video_connects_total", "stream"), "{{run}} {{stream}}"),),
            width=6,
            bars=True,
            minimum=0,
        ),
    ),
    collapsed=True,
)

PROMETHEUS = Row(
    "Prometheus",
    (
        Panel(
            "Endpoints",
            "1 for each endpoint that Prometheus could read at its last attempt.",
            "none",
            (Query("up", "{{job}} {{instance}}"),),
            width=6,
            steps=True,
            minimum=0,
            maximum=1,
            decimals=0,
        ),
        Panel(
            "Time to read an endpoint",
            "How long Prometheus took to read each endpoint.",
            "s",
            (Query("scrape_duration_seconds", "{{job}} {{instance}}"),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Samples of an endpoint",
            "Samples that each endpoint gave at the last reading. Hairpin's grow with the runs "
            "and workers, and fall when a run that ended is forgotten.",
            "short",
            (Query("scrape_samples_scraped", "{{job}} {{instance}}"),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Series in Prometheus' memory",
            "Series that Prometheus keeps in memory, and samples it takes in a second.",
            "short",
            (
                Query("prometheus_tsdb_head_series", "{{instance}} series", BLUE),
                Query(
                    "rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval])",
                    "{{instance}} samples/s {{type}}",
                    GREY,
                ),
            ),
            width=6,
            minimum=0,
        ),
    ),
)

SERVERS = Row(
    "MinIO and MediaMTX (where Prometheus scrapes them)",
    (
        Panel(
            "Requests to MinIO",
            "Requests per second, by kind.",
            "reqps",
            (Query("sum by (api) (rate(minio_s3_requests_total[$__rate_interval]))", "{{api}}"),),
            width=6,
            minimum=0,
        ),
        Panel(
            "Free space of MinIO",
            "Bytes that its drives can still take, and all that they hold.",
            "bytes",
            (
                Query("sum(minio_cluster_capacity_usable_free_bytes)", "free", BLUE),
                Query("sum(minio_cluster_capacity_usable_total_bytes)", "all", GREY, dashed=True),
            ),
            width=6,
            minimum=0,
        ),
        Panel(
            "Received by MediaMTX",
            "Bytes a second of each path.",
            "Bps",
            (Query("sum by (name) (rate(paths_bytes_received[$__rate_interval]))", "{{name}}"),),
            width=6,
            minimum=0,
        ),
        Panel(
            "RTSP sessions of MediaMTX",
            "Those that publish a stream and those that read one.",
            "none",
            (Query("sum by (state) (rtsp_sessions)", "{{state}}"),),
            width=6,
            steps=True,
            minimum=0,
        ),
    ),
    collapsed=True,
)

SERVICES = Dashboard(
    UID,
    "Hairpin: Services",
    "Checkpoints and where they go, videos, and Prometheus itself.",
    (TOP, CHECKPOINTS, UPLOADS, VIDEO, PROMETHEUS, SERVERS),
    all_runs=True,
    checkpoint_marks=True,
)
