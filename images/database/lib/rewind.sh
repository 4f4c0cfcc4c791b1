# Data that went its own way: it is kept, and set back to where it left the upstream's timeline. Sourced, never run.
# shellcheck shell=bash

# This file stands while the own data is neither the old nor the new one: it is rewound without being kept.
rewinding=$state_folder/rewinding

# The own WAL as it was before a rewind without a copy, by hard links.
own_wal=$data_folder.wal

rewind_log=$state_folder/rewind.log
tell_copying() { report_change rejoining "copying the own data, to keep it: $(($(du -sk "$incoming" | cut -f1) / 1024)) MB of at most $((need / 1024)) MB"; }
tell_rewinding() {
  local line
  read -r line < <(tail -n 1 "$rewind_log")
  report_change rejoining "rewinding: ${line#pg_rewind: }"
}

# Whether the own data is kept when other data takes its place: where the intent wants it and the disk has room. Leaves in
# kept the folder that it will have then, or in not_kept why not.
plan_keeping() {
  if [ "$(intent keepDiverged)" != true ]; then
    not_kept="as this transition was told (keepDiverged)"
  elif ! has_room; then
    not_kept="$need kB needed twice over, $free kB free"
  else
    kept="$data_folder.diverged-$(date -u +%Y%m%dT%H%M%SZ)"
  fi
}

# Whether a file in pg_wal is a segment before, or after, another one: is_before FILE SEGMENT. A segment's name is its
# timeline, then its number.
is_before() {
  local name=${1##*/}
  [[ $name =~ ^[0-9A-F]{24}$ && -n $2 && ${name:8} < ${2:8} ]]
}
is_after() {
  local name=${1##*/}
  [[ $name =~ ^[0-9A-F]{24}$ && -n $2 && ${name:8} > ${2:8} ]]
}

# Copies the own data, with the WAL that is needed to start it: from its last checkpoint to its end. The rest, which is
# kept for standbys or made ready for later, may be many times the data. It is not on the disk afterwards.
#   copy_data TARGET END     END: where it ends; empty where that is not known
copy_data() {
  local file redo last=
  [ -z "$2" ] || last=FFFFFFFF$(segment_of "$2")
  rm -rf "$1"
  redo=$(control "Latest checkpoint's REDO WAL file")
  mkdir -m 0700 "$1" "$1/pg_wal" "$1/pg_wal/archive_status" || return
  find "$data_folder" -mindepth 1 -maxdepth 1 ! -name pg_wal -exec cp -a --reflink=auto -t "$1" {} + || return
  for file in "$data_folder"/pg_wal/*; do
    if is_before "$file" "$redo" || is_after "$file" "$last" || [ -d "$file" ]; then continue; fi
    cp -a --reflink=auto "$file" "$1/pg_wal/" || return
  done
}

# Puts complete data, which is on the disk, in the place of the own, which is kept in "kept": replace_data FOLDER
# In one step: there is no moment without data. In the moment before it the new data is under the name of what is kept.
replace_data() {
  mv -T "$1" "$kept" || return
  # A file system that cannot: whoever finds no data copies it again.
  mv --exchange -T "$kept" "$data_folder" 2>/dev/null ||
    { mv -T "$kept" "$1" && mv -T "$data_folder" "$kept" && mv -T "$1" "$data_folder"; } || return
  sync "${data_folder%/*}"
  trim_kept &
}

# Removes from what is kept the WAL from before its last checkpoint, with which it starts; and says what is kept.
trim_kept() {
  local file redo old=() control_data
  # To stream comes first.
  nap 1
  control_data=$(pg_controldata "$kept")
  redo=$(control "Latest checkpoint's REDO WAL file")
  for file in "$kept"/pg_wal/*; do
    is_before "$file" "$redo" && old+=("$file")
  done
  [ "${#old[@]}" -eq 0 ] || rm "${old[@]}"
  nice -n 19 kept-data > /dev/null
}

# What postgres is configured with while pg_rewind brings the data to its end: rewind_configuration WAL_FOLDER
# It removes no WAL, and gives no segment a new name. What pg_rewind misses of the WAL is in the folder.
rewind_configuration() {
  printf "include '%s'\nwal_keep_size = '1TB'\nwal_recycle = off\nrestore_command = 'cp \"%s/%%f\" \"%%p\"'\n" \
    "$config_folder/postgresql.conf" "$1"
}

# Without JIT: compiling the query for the list of files took the source 1.5 to 10 s, running it takes 10 ms.
#   rewind_data UPSTREAM TARGET
rewind_data() {
  exec pg_rewind --target-pgdata="$2" --source-server="$(peer_conninfo "$1" rewind postgres) options=-cjit=off" \
    --config-file="$state_folder/rewind.conf" --restore-target-wal --sync-method=syncfs --progress 2> "$rewind_log"
}

# Brings what is missing of the WAL from before the fork: pg_rewind keeps what follows the last common checkpoint, and
# replay begins earlier, where that checkpoint began. Fails where that WAL was not there at all.
#   bring_wal FROM TARGET FORK
bring_wal() {
  local segment begin forked
  forked=00000000$(segment_of "$3")
  begin=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\)).*/\1/p' "$2/backup_label")
  for segment in "$1"/*; do
    if is_before "$segment" "$forked" && ! is_before "$segment" "$begin" && [ ! -e "$2/pg_wal/${segment##*/}" ]; then
      cp -a --reflink=auto "$segment" "$2/pg_wal/" && sync "$2/pg_wal/${segment##*/}" || return
    fi
  done
  sync "$2/pg_wal"
  [ -n "$begin" ] && [ -e "$2/pg_wal/$begin" ] && return
  echo "rewind: the WAL that replay would begin with is gone: ${begin:-no backup_label}" >&2
  return 1
}

# Has the upstream write a checkpoint, which takes as long as it takes. One that is away is waited for: to copy all from it
# instead would have to wait as well.
checkpoint_of() {
  local code since=$SECONDS
  report rejoining "waiting for a checkpoint of $1"
  tell_checkpoint() { report_change rejoining "waiting for a checkpoint of $upstream, $((SECONDS - since)) s by now"; }
  while true; do
    run_beside 5 tell_checkpoint psql -XAtq -d "$(peer_conninfo "$1" rewind postgres)" -c CHECKPOINT
    code=$?
    # 2: the connection could not be made, or broke.
    [ "$code" -eq 2 ] || return "$code"
    intent_changed && return 1
    report_change rejoining "waiting for $1 to answer, for a checkpoint before the rewind"
    pause 1
  done
}

# What a rewind needs before it begins: prepare_rewind UPSTREAM END. Where the own data is kept it is copied, and the copy is
# rewound, which takes the data's place when it is complete: until then an interruption costs nothing. The upstream makes a
# checkpoint meanwhile: changes that are in its memory only would have to be replayed, from WAL that it may be removing just
# then.
prepare_rewind() {
  local checkpoint
  checkpoint_of "$1" &
  checkpoint=$!
  if [ -n "$kept" ] && ! run_beside 2 tell_copying copy_data "$incoming" "$2"; then
    rm -rf "$incoming"
    kept='' not_kept="copying failed (see the log of this node)"
  fi
  await "$checkpoint"
}

# Sets the own data, or its copy, back to where it left the upstream's timeline: rewind UPSTREAM FORK END
# Leaves in why that the upstream has not kept the WAL (no_wal), where that is what has kept it from it.
rewind() {
  local target=$data_folder wal=$own_wal code oldest
  prepare_rewind "$1" "$3" || return
  # Again: that may have taken long.
  read -r _ _ _ oldest <<< "$(ask_peer "$1")"
  if wal_is_gone "$2" "$oldest"; then
    why=$no_wal
    return 1
  fi
  [ -z "$kept" ] || target=$incoming wal=$data_folder/pg_wal
  rewind_configuration "$wal" | write_file "$state_folder/rewind.conf"
  if [ -z "$kept" ]; then
    rm -rf "$wal"
    mkdir -m 0700 "$wal" || return
    find "$data_folder/pg_wal" -maxdepth 1 -type f -regex '.*/[0-9A-F]+' -exec ln -t "$wal" {} + || return
    write_file "$rewinding" < /dev/null
  fi
  report rejoining "rewinding to where $1 left the own timeline"
  run_beside 2 tell_rewinding rewind_data "$1" "$target"
  code=$?
  cat "$rewind_log" >&2
  rm -f "$rewind_log"
  [ "$code" -ne 0 ] || bring_wal "$wal" "$target" "$2" || code=$?
  rm -rf "$own_wal"
  [ "$code" -eq 0 ] || return
  touch "$target/standby.signal"
  sync "$target"
  is_on_disk=yes
  rejoined rewind "own data was set back to where it left the timeline of $1" "$2" "$3"
  [ -z "$kept" ] || replace_data "$target"
}
