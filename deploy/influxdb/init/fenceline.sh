#!/bin/bash
# Runs in InfluxDB's container, once, when its image has made user, organisation and bucket.
#
# Grafana asks in InfluxQL, over the interface of 1.x: that needs a database name for the bucket and a user who may read.
# The hub needs a token that may write to the bucket and nothing else. InfluxDB draws it, so it goes to the hub through a
# volume of its own. If anything fails, the image removes what it has made and starts again from nothing.
#
# Run by hand, it makes what is missing, e.g. a new token when the file has been removed.
set -euo pipefail

token_file=/etc/influxdb2/hub/token
if [ -s "$token_file" ]; then
    exit 0
fi
org=$DOCKER_INFLUXDB_INIT_ORG
name=$DOCKER_INFLUXDB_INIT_BUCKET
bucket=${DOCKER_INFLUXDB_INIT_BUCKET_ID:-$(influx bucket list --name "$name" --hide-headers | cut -f 1)}

influx v1 dbrp create --org "$org" --bucket-id "$bucket" --db fenceline --rp autogen --default ||
    influx v1 dbrp list --org "$org" --db fenceline | grep -qw fenceline
# The command has no other way to take a password. Only this container could see it, and only this once.
influx v1 auth create --org "$org" --read-bucket "$bucket" --description "Grafana, reads" \
    --username grafana --password "$(cat /run/secrets/influxdb-read-password)" ||
    influx v1 auth list --org "$org" | grep -qw grafana

umask 077
influx auth create --org "$org" --write-bucket "$bucket" --description "hub, writes" --json |
    sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' >"$token_file.new"
[ -s "$token_file.new" ]
# The hub is another user in another container; nothing else mounts this volume.
chmod 444 "$token_file.new"
mv "$token_file.new" "$token_file"
