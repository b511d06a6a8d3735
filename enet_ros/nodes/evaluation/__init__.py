"""evaluation_node: live scores while a recording replays."""
