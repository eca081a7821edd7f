"""MinIO, MediaMTX and Prometheus on this machine, for a laptop and for tests.

The programs are built from their published sources at fixed versions (`binaries`), started on
loopback with credentials of their own (`minio`, `mediamtx`, `prometheus`), and looked after by
``deploy/services`` (`main`). All of it needs Python's standard library only.
"""
