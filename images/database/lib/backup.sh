# Making, keeping and recording backups. Sourced, never run.
#
# A backup is a folder and, beside it, NAME.json with its figures. Only both together count: the record in the database
# follows what is on the disk.
# shellcheck shell=bash

backups_folder=/var/lib/postgresql/backups
record_sql=/usr/local/lib/pg-continuity/backup-record.sql
errors_file=/tmp/backup.errors
# The backup that is being made.
making=

setting() { jq -r ".$1" "$config_folder/backup.json"; }

# A libpq connection string to whichever database is the writable one.
#   writable_conninfo DBNAME
writable_conninfo() {
  jq -r --arg database "$1" --arg config "$config_folder" \
    '"host=\(.hosts) port=\(.ports) user=\(.user) dbname=\($database) target_session_attrs=read-write sslmode=verify-full sslrootcert=\($config)/ca.crt passfile=\($config)/pgpass connect_timeout=3 application_name=\(.node) keepalives_idle=5 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=10000"' \
    "$config_folder/backup.json"
}

# SQL on the record. It waits for no replica: a backup is made also while writes wait.
sql() {
  PGOPTIONS='-c synchronous_commit=local -c statement_timeout=20s' timeout 30 \
    psql -XAtq -v ON_ERROR_STOP=1 -d "$(writable_conninfo "$(setting database)")" "$@"
}

# Removes what an interrupted run has left: whatever is not a folder with its figures.
clean_up() {
  local entry
  for entry in "$backups_folder"/*; do
    case $entry in
      *.json) [ -d "${entry%.json}" ] || rm -f "$entry" ;;
      *.partial | *.removing | *.new) rm -rf "$entry" ;;
      *) [ ! -d "$entry" ] || [ -s "$entry.json" ] || rm -rf "$entry" ;;
    esac
  done
}

# The figures of every backup that there is, as one JSON list.
on_disk() {
  local file
  for file in "$backups_folder"/*.json; do
    [ ! -d "${file%.json}" ] || cat "$file"
  done | jq -cs .
}

# Brings the record to what is on the disk: good is what is there, and nothing else. What is not known, because a record
# from before was restored, is put on it again.
reconcile() {
  sql -v disk="$(on_disk)" -f "$record_sql"
}

# Brings the record to what is on the disk, then takes the oldest request and prints the name of its backup; nothing where
# there is none. What still counts as running then is made by nobody: this is the only one who makes any.
next_request() {
  sql -v disk="$(on_disk)" -v stamp="$(date -u +%Y%m%dT%H%M%SZ)" -f "$record_sql" -f - <<'SQL'
UPDATE continuity.backup SET state = 'failed', ended_at = clock_timestamp(), error = 'interrupted: its container ended meanwhile'
  WHERE state = 'running';
UPDATE continuity.backup SET state = 'running', started_at = clock_timestamp(), name = :'stamp' || '-' || id
  WHERE id = (SELECT id FROM continuity.backup WHERE state = 'requested' ORDER BY id LIMIT 1) RETURNING name;
SQL
}

# record_failure NAME WHY
record_failure() {
  sql -v name="$1" -v error="$2" <<'SQL'
UPDATE continuity.backup SET state = 'failed', ended_at = clock_timestamp(), error = :'error' WHERE name = :'name' AND state = 'running';
SQL
}

# Says why there is no room for a copy of so many bytes, and nothing where there is: room_problem NEEDED FREE. Beside the
# data there is the WAL that is written meanwhile.
room_problem() {
  local needed=$(($1 + $1 / 10 + 64 * 1024 * 1024))
  [ "$needed" -le "$2" ] ||
    echo "no room: about $((needed / 1024 / 1024)) MB are needed, $(($2 / 1024 / 1024)) MB are free where the backups lie. Make room there, or keep fewer (backups.keep)"
}

# The names of the oldest beyond so many that stay: prune_choice KEEP < names
prune_choice() { sort | head -n "-$1"; }

# What a program has said at last, in one line.
last_words() { tail -n 3 "$errors_file" | tr -s '\n' ' ' | cut -c 1-500; }

# Runs a program of a backup; where it fails, says why in problem.
#   attempt COMMAND…
attempt() {
  local code
  run "$@" 2> "$errors_file"
  code=$?
  cat "$errors_file" >&2
  [ "$code" -eq 0 ] || problem="$1: $(last_words)"
  return "$code"
}

# Copies, verifies and puts in its place; where that fails, says why in problem.
#   copy_database NAME
copy_database() {
  local partial=$backups_folder/$1.partial started bytes data free
  started=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
  data=$(sql -c 'SELECT continuity.data_bytes()' 2> "$errors_file") || { problem="the writable database does not answer: $(last_words)"; return 1; }
  free=$(df -P -B1 "$backups_folder" | awk 'NR == 2 { print $4 }')
  problem=$(room_problem "$data" "$free")
  [ -z "$problem" ] || return 1
  attempt pg_basebackup --dbname="$(writable_conninfo replication)" --pgdata="$partial" --wal-method=stream \
    --checkpoint=fast --manifest-checksums=SHA256 --no-password || return 1
  attempt pg_verifybackup --quiet "$partial" || return 1
  sync -f "$partial"
  bytes=$(du -sb "$partial" | cut -f1)
  jq --arg name "$1" --arg started "$started" --arg ended "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" --argjson bytes "$bytes" \
    '."WAL-Ranges" | {name: $name, startedAt: $started, endedAt: $ended, bytes: $bytes, timeline: .[-1].Timeline,
      startLsn: .[0]."Start-LSN", stopLsn: .[-1]."End-LSN"}' "$partial/backup_manifest" |
    write_file "$backups_folder/$1.json" || { problem="its figures could not be written"; return 1; }
  mv "$partial" "$backups_folder/$1" || { problem="it could not be put in its place"; return 1; }
  sync -f "$backups_folder"
}

# Removes the oldest. Called once a newer one is there.
prune() {
  local name
  while read -r name; do
    report removing "backup $name: newer ones are kept"
    mv "$backups_folder/$name" "$backups_folder/$name.removing"
    rm -f "$backups_folder/$name.json"
    rm -rf "$backups_folder/$name.removing"
  done < <(on_disk | jq -r '.[].name' | prune_choice "$(setting keep)")
}

# make_backup NAME
make_backup() {
  local problem=''
  making=$1
  report copying "backup $1"
  if copy_database "$1"; then
    report copied "backup $1"
    prune
  else
    rm -rf "$backups_folder/$1.partial" "$backups_folder/$1.json"
    report failed "backup $1: $problem"
    until record_failure "$1" "$problem"; do pause 2; done
  fi
  until reconcile; do pause 2; done
  making=
}

# At an end in order: what is not finished goes, and the record says so. After any other end the next start does that.
give_up() {
  [ -n "$making" ] && [ ! -e "$backups_folder/$making" ] || return 0
  rm -rf "$backups_folder/$making.partial" "$backups_folder/$making.json"
  record_failure "$making" "interrupted: its container was stopped"
}
