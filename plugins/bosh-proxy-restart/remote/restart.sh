# One restart and its proof. Set by the caller beside what look.sh needs: want_pid want_procs allow_stopped min_age limit
if ! lock 0; then
  say verdict locked
  say end
  exit 0
fi
say phase before
marks=
look
before=$pid
marks=$new_marks
marks_at=$(date +%s)

# The world must be as the caller saw it; what has moved is judged again, never improvised upon.
guard() {
  [ $summary_rc -eq 0 ] && [ -n "$word" ] || { why='monit does not know the job'; return 1; }
  case $word in
  *' - '*) why="an action is pending: $word"; return 1 ;;
  [Nn]'ot monitored'*) [ "$allow_stopped" = 1 ] || { why="it is $word"; return 1; } ;;
  esac
  _is=-
  [ "$pid" = - ] || ! stat_of "$pid" || _is=$pid:$p_start
  [ "$_is" = "$want_pid" ] || { why="the pidfile's process is $_is, not $want_pid"; return 1; }
  [ "${found:--}" = "$want_procs" ] || { why="the processes are ${found:--}, not $want_procs"; return 1; }
}
if ! guard; then
  say verdict moved "$(printf %s "$why" | clean 300)"
  say end
  exit 0
fi

say phase restart
begun=$(now)
answer=$(monit restart "$job")
rc=$?
say restart-rc $rc "$(printf %s "$answer" | clean 300)"
if [ $rc -ne 0 ]; then
  say verdict refused
  say end
  exit 0
fi

await_proof
say phase after
look
say verdict $verdict $(($(now) - begun))
say end
