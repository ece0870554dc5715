"""What bots that speak HTTP have in common: connections, bounded answers, server-sent events, history."""
