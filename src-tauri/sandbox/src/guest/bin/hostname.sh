echo "$instance"
