"""The client: requests against scripted answers, conversations against a scripted server and the real one."""
