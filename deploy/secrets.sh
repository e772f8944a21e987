#!/bin/sh
# Makes the secrets of docker-compose.yml, each once: what is there stays.
#
#   deploy/secrets.sh [DIRECTORY]   ./secrets without it
#
# Containers read them as users of their own, so the files are for all; the directory keeps everybody else of this machine out.
set -eu
cd "$(dirname "$0")/.."
directory=${1:-secrets}
umask 077
mkdir -p "$directory"
chmod 700 "$directory"

# put NAME TEXT: whole or not at all
put() {
    if [ ! -s "$directory/$1" ]; then
        printf '%s' "$2" >"$directory/.$1"
        chmod 444 "$directory/.$1"
        mv "$directory/.$1" "$directory/$1"
    fi
}

# secret NAME: 192 bits of chance
secret() {
    put "$1" "$(od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n')"
}

read_back() {
    cat "$directory/$1"
}

secret grafana_admin_password
secret mongodb_password
secret postgres_password
secret qdrant_api_key
secret rabbitmq_password
secret redis_password
secret s3_secret_access_key
secret service_token
secret temporal_postgres_password

put amqp_url "amqp://smartcourse:$(read_back rabbitmq_password)@rabbitmq:5672/%2f"
put database_url "postgres://smartcourse:$(read_back postgres_password)@postgres:5432/smartcourse"
put mongodb_url "mongodb://smartcourse:$(read_back mongodb_password)@mongodb:27017/?authSource=admin"
put redis_url "redis://:$(read_back redis_password)@redis:6379"
put qdrant_yaml "service:
  api_key: \"$(read_back qdrant_api_key)\"
"
put rabbitmq_conf "default_user = smartcourse
default_pass = $(read_back rabbitmq_password)
"
put redis_conf "requirepass $(read_back redis_password)
"
