"""What methods learn in a trial: tables, running statistics, networks. Nothing here is a method."""
