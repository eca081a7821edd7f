"""Alerts on workers, checkpoints, the store, disks, video and the metrics themselves."""

from __future__ import annotations

from dashboards.alerts import NOT_ENDED, Alert, by_run, gained, since_start_or

_WRITTEN = since_start_or("hairpin_checkpoint_last_time_seconds")
_ITERATED = since_start_or("hairpin_run_last_iteration_time_seconds")
_INTERVAL = by_run("hairpin_checkpoint_interval_seconds")
_FREE = by_run("hairpin_disk_free_bytes")

WORKER_ALERTS = (
    Alert(
        "HairpinWorkerLost",
        f"{gained('hairpin_worker_losses_total', '5m')} > 0\n{NOT_ENDED}",
        "0s",
        "warning",
        "{{ $labels.run }}: a rollout worker died or stopped answering",
        "A rollout worker was lost within the last five minutes. The others go on without it, and "
        "it is started again; only the episodes that it was driving are lost.",
        (
            "If HairpinWorkersMissing does not follow, it is back already and nothing is to do.",
            "If it happens again and again, look at memory (dashboard Cluster): workers that are "
            "killed have usually run out of it.",
            "Ray's log of the worker, in the session's folder `logs`, has its last words.",
        ),
    ),
    Alert(
        "HairpinWorkersMissing",
        f"{by_run('hairpin_workers_wanted')} - {by_run('hairpin_workers_healthy')} > 0\n"
        f"{NOT_ENDED}",
        "2m",
        "warning",
        "{{ $labels.run }}: {{ $value }} rollout workers have been missing for two minutes",
        "Fewer workers sample than the job asks for, and they do not come back. The run goes on, "
        "with less data in each iteration.",
        (
            "Does the cluster still have the processors? On Kubernetes, look for pods that are "
            "pending or were evicted.",
            "Is there memory for a worker (dashboard Cluster)?",
            "A worker whose machine is stopped comes back by itself when the machine does.",
            "If nothing helps, resume with fewer workers: `hairpin train --resume RUN`.",
        ),
    ),
)

CHECKPOINT_ALERTS = (
    Alert(
        "HairpinCheckpointOld",
        f"({_ITERATED} - {_WRITTEN})\n  > 2 * {_INTERVAL} + 60\n{NOT_ENDED}",
        "1m",
        "critical",
        "{{ $labels.run }}: iterations go on, but the last checkpoint is "
        "{{ $value | humanizeDuration }} behind",
        "The run iterates and writes no checkpoints, though more than twice the time between two "
        "has passed. If the driver died now, all of that would be lost.",
        (
            "Is there room on the disk? See HairpinDiskLow.",
            "The run's output says why a checkpoint could not be written.",
            "Do not end the run with SIGKILL before a checkpoint was written: Ctrl-C writes one.",
        ),
    ),
    Alert(
        "HairpinCheckpointNotPublished",
        f"({by_run('hairpin_checkpoint_last_time_seconds')} - "
        f"{by_run('hairpin_checkpoint_published_time_seconds')})\n"
        f"  > 2 * {_INTERVAL} + 60\n{NOT_ENDED}",
        "1m",
        "warning",
        "{{ $labels.run }}: the store is {{ $value | humanizeDuration }} behind",
        "Checkpoints are written to this machine's disk, but the newest one in the store is "
        "older by more than two of them: it cannot be reached, or is too slow. Nothing is lost "
        "while the machine lives and the spool has room.",
        (
            "Is HairpinStoreDown or HairpinUploadsFailing there too? Then begin with that.",
            "Is the rate of uploads (dashboard Services) what the connection gives? Then write "
            "checkpoints less often.",
            "What waits goes up by itself when the store takes it again; also the next command "
            "on this run sends it.",
        ),
    ),
    Alert(
        "HairpinCheckpointDamaged",
        f"({gained('hairpin_checkpoints_damaged_total', '15m')} > 0\n"
        f"  or {by_run('hairpin_checkpoints_damaged_total')} > 0\n"
        f"  and on (run) time() - {by_run('hairpin_run_start_time_seconds')} < 900)\n{NOT_ENDED}",
        "0s",
        "warning",
        "{{ $labels.run }}: a damaged checkpoint was passed over",
        "The sums of a checkpoint's files did not match its manifest when it was read. The one "
        "before it was used, so the training lost what lies between them.",
        (
            "The run's output names the checkpoint and the file.",
            "Once is an accident, for example a machine that lost power. Twice is a disk or a "
            "store that loses data: move the run.",
        ),
    ),
    Alert(
        "HairpinStoreDown",
        f"{by_run('hairpin_store_up')} == 0\n{NOT_ENDED}",
        "30s",
        "warning",
        "{{ $labels.run }}: the store takes nothing",
        "The object store cannot be reached, refuses the credentials or fails. The training goes "
        "on; checkpoints wait on this machine's disk and go up when it is back.",
        (
            "The run's output says what the store answered: refused credentials, a missing "
            "bucket, or no answer at all.",
            "Does it answer from here? `hairpin runs` with the same settings tells.",
            "Look at the spool (dashboard Services): it says how long there is time. See "
            "HairpinSpoolFilling.",
        ),
    ),
    Alert(
        "HairpinUploadsFailing",
        f"{gained('hairpin_upload_failures_total', '5m')}\n"
        f"  / ({gained('hairpin_upload_failures_total', '5m')} + "
        f"{gained('hairpin_uploads_total', '5m')}) > 0.2\n{NOT_ENDED}",
        "10m",
        "warning",
        "{{ $labels.run }}: {{ $value | humanizePercentage }} of the attempts to upload fail",
        "More than a fifth of all attempts to upload have failed for ten minutes. They are "
        "repeated, so nothing is lost, but checkpoints arrive late.",
        (
            "The run's output and the store's own log say how they fail.",
            "Timeouts: is the network or the store overloaded?",
            "Refusals of only some: does the policy of the credentials allow to put, get, list "
            "and delete under the prefix?",
        ),
    ),
    Alert(
        "HairpinSpoolFilling",
        f"{by_run('hairpin_spool_bytes')} > 0.7 * {by_run('hairpin_spool_limit_bytes')}\n"
        f"{NOT_ENDED}",
        "30s",
        "warning",
        "{{ $labels.run }}: {{ $value | humanize1024 }}B wait for the store, and there is "
        "little room left",
        "More than 70 % of what may wait for the store waits. When it is full, the oldest "
        "checkpoints are dropped; never the best one.",
        (
            "Bring the store back: see HairpinStoreDown.",
            "If that takes long, copy the spool's folder away or write checkpoints less often.",
        ),
    ),
    Alert(
        "HairpinSpoolDropping",
        f"{gained('hairpin_spool_dropped_total', '15m')} > 0\n{NOT_ENDED}",
        "0s",
        "critical",
        "{{ $labels.run }}: checkpoints were dropped because the spool is full",
        "The store has been away for so long that the spool is full, and the oldest checkpoints "
        "were dropped that had not been published. The newest and the best are kept.",
        (
            "Bring the store back: see HairpinStoreDown.",
            "Give the spool more room before the next outage, if the disk has it.",
        ),
    ),
    Alert(
        "HairpinDiskLow",
        f"({_FREE} < 1e9 or {_FREE} < 20 * {by_run('hairpin_checkpoint_size_bytes')})\n{NOT_ENDED}",
        "1m",
        "critical",
        "{{ $labels.run }}: {{ $value | humanize1024 }}B are left on the disk",
        "Less than 1 GB is free, or less than twenty checkpoints need. When the disk is full, no "
        "checkpoint can be written any more.",
        (
            "What fills it? Old runs (`hairpin runs`), Ray's sessions in the folder for temporary "
            "files, or something else.",
            "Let the job keep fewer checkpoints: its keys `keep_last` and `keep_every`.",
        ),
    ),
    Alert(
        "HairpinDiskFilling",
        f"{_FREE} < 50e9\n"
        f"and on (run) {by_run('predict_linear(hairpin_disk_free_bytes[30m], 7200)')} < 0\n"
        f"{NOT_ENDED}",
        "10m",
        "warning",
        "{{ $labels.run }}: the disk will be full within two hours",
        "At the pace of the last half hour the disk will be full within two hours.",
        ("See HairpinDiskLow: the same helps, and there is still time.",),
    ),
)

VIDEO_ALERTS = (
    Alert(
        "HairpinVideoDown",
        f"max by (run, stream) (hairpin_video_up) == 0\n{NOT_ENDED}",
        "30s",
        "warning",
        "{{ $labels.run }}: the stream {{ $labels.stream }} reaches no server",
        "A video stream has had no connection for half a minute. The training is not touched: "
        "frames are dropped, and it tries again and again.",
        (
            "Does the video server run, and can this machine reach its port? Only TCP is used.",
            "Does it refuse the name or the password? Its log says so, and the attempts to "
            "connect (dashboard Services) go on growing.",
            "A path can have one publisher: is another run of the same name streaming?",
        ),
    ),
    Alert(
        "HairpinVideoDropping",
        f"{gained('hairpin_video_frames_dropped_total', '2m', 'stream')}\n"
        f"  / ({gained('hairpin_video_frames_dropped_total', '2m', 'stream')} + "
        f"{gained('hairpin_video_frames_total', '2m', 'stream')}) > 0.2\n"
        f"unless on (run, stream) hairpin_video_up == 0\n{NOT_ENDED}",
        "2m",
        "info",
        "{{ $labels.run }}: {{ $value | humanizePercentage }} of the frames of "
        "{{ $labels.stream }} are dropped",
        "The stream is connected, but the encoder or the video server is too slow for it, so it "
        "stutters. The training does not wait for it.",
        (
            "Is there a processor left for drawing and encoding? Each stream wants a part of one.",
            "Is the network to the video server too slow? A stream wants about 1 Mbit/s.",
            "Stream fewer workers, or only evaluations.",
        ),
    ),
)

MONITORING_ALERTS = (
    Alert(
        "HairpinMetricsGone",
        "max by (run) (last_over_time(hairpin_run_info[1h]))\n"
        "unless on (run) hairpin_run_info\n"
        "unless on (run) last_over_time(hairpin_run_ended[1h])",
        "1m",
        "critical",
        "{{ $labels.run }}: its metrics are gone, though it has not ended",
        "Prometheus read this run's metrics within the last hour and no longer can, and the run "
        "had not said that it ended: the driver was killed, its machine is gone, or the endpoint "
        "or the way to it is broken. While this lasts, no other alert of the run can fire. (A run "
        "that was resumed less than an hour after it had ended is not watched by this alert.)",
        (
            "Is the driver alive? If it is not: `hairpin train --resume RUN`.",
            "If it is, the training goes on and only its figures are missing. Does its endpoint "
            "answer at `/metrics`? Does Prometheus list it as a target, and with which error?",
        ),
    ),
)
