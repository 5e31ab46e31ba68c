"""What it costs to tell thousands of waiting browsers that the queue changed, beside Flask-SocketIO's plain emit."""
