"""Live video of a training: cars on their way to an RTSP server, or to files."""
