#!/bin/sh
":" /* 2>/dev/null
# To JavaScript this is a comment. Before its first line runs, Node raises the soft open-files limit, un-ignores
# signals, empties the signal mask and opens what was closed of 0, 1 and 2. A shell changes none of that, so what the
# caller had can be read from this one.
p=/proc/$$
# Node reads the environment from /proc, so these are ours to drop: meant for the program, and slow for us.
[ -d $p ] && unset NODE_EXTRA_CA_CERTS NODE_OPTIONS
# A link named supervisorctl is that program, whose words are none of ours; supervisord becomes what it supervises with.
case ${0##*[/]}:$1 in
  supervisorctl:*) ;;
  # The launcher must not lead a process group (setsid is refused to a leader), so the shell stays in front, and shows
  # in /proc what it was given. One thread for V8 is enough for so short a life.
  *:run | *:restart)
    export TSDAEMON_CALLER="pid=$$"
    [ -d $p ] || TSDAEMON_CALLER="$TSDAEMON_CALLER nofile=$(ulimit -Sn)"
    node --v8-pool-size=1 -- "$0" "$@"
    exit $? ;;
  # These become the command, so what they were given is noted down. No program but node is started for that.
  supervisord:* | *:nohup | *:supervise)
    note="pid=$$" open= fds= free=
    if [ -d $p/fd ]; then
      while read -r key value _; do
        case $key in SigBlk:) note="$note blocked=$value" ;; SigIgn:) note="$note ignored=$value"; break ;; esac
      done <$p/status
      while read -r _ _ what soft _; do
        case $what in files) note="$note nofile=$soft"; break ;; esac
      done <$p/limits
      for fd in $p/fd/*; do
        # The shell's own descriptor of this script is not the caller's.
        [ ! -h "$fd" ] || [ "$fd" -ef "$0" ] || fds=$fds,${fd##*[/]}
      done
      note="$note fds=${fds#,}"
      for fd in 3 4 5 6 7 8 9; do [ -h $p/fd/$fd ] || free=$fd$free; done
    else
      note="$note nofile=$(ulimit -Sn)"
    fi
    for fd in 0 1 2; do { [ -h $p/fd/$fd ] || [ -e /dev/fd/$fd ]; } && open=$open$fd; done
    export TSDAEMON_CALLER="$note open=$open"
    # Shells lose variables whose names they do not like; a fork of this one still shows in /proc what it was given, and
    # ends when its pipe closes.
    case $free in ??*)
      read=${free%${free#?}} rest=${free#?}
      write=${rest%${rest#?}}
      # A here-document is a pipe; opened once more, it has a writing end too.
      eval "exec $read<<END $write>/dev/fd/$read
not empty, else bash takes /dev/null
END
      (exec $write>&-; while read -r _; do :; done <&$read) &
      exec $read<&-"
      TSDAEMON_CALLER="$TSDAEMON_CALLER snapshot=$!:$write" ;;
    esac ;;
esac
exec node -- "$0" "$@"
*/
require('../dist/boot.cjs');
