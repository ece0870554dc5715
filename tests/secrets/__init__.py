"""No secret leaves its place: a whole story under real sockets, every log line and answer of it looked through."""
