#!/bin/bash
# Stands in for the agent of AWS Systems Manager: opens a channel to its gateway, says so where the real one says so, and
# keeps it.
exec 3<>/dev/tcp/ssmmessages.us-west-2.amazonaws.com/443 || exit 1
mkdir -p /var/log/amazon/ssm
echo "$(date '+%F %T.0000') INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully" \
  >>/var/log/amazon/ssm/amazon-ssm-agent.log
exec /usr/bin/amazon-ssm-agent infinity
