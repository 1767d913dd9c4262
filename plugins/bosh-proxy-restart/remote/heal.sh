# Makes one proxy of many, or of one whose pidfile is wrong. Set by the caller beside what restart.sh needs:
# kill_list, the processes to end as PID:START. Nothing else is signalled: control scripts trust pidfiles, so none is run
# before the pidfile is gone.
if ! lock 0; then
  say verdict locked
  say end
  exit 0
fi
end_as() {
  say phase after
  look
  say verdict "$@"
  say end
  exit 0
}
say phase before
marks=
look
before=$pid
marks=$new_marks
marks_at=$(date +%s)
why=
[ $summary_rc -eq 0 ] && [ -n "$word" ] || why='monit does not know the job'
case $word in *' - '*) why="an action is pending: $word" ;; esac
_is=-
[ "$pid" = - ] || ! stat_of "$pid" || _is=$pid:$p_start
[ "$_is" = "$want_pid" ] || why="the pidfile's process is $_is, not $want_pid"
[ "${found:--}" = "$want_procs" ] || why="the processes are ${found:--}, not $want_procs"
if [ -n "$why" ]; then
  say verdict moved "$(printf %s "$why" | clean 300)"
  say end
  exit 0
fi

say phase heal
answer=$(monit unmonitor "$job")
rc=$?
say step unmonitor $rc "$(printf %s "$answer" | clean 300)"
[ $rc -eq 0 ] || end_as refused
left=30
while :; do
  word=$(word_of "$(monit summary)")
  case $word in [Nn]'ot monitored') break ;; esac
  left=$((left - 1))
  [ $left -gt 0 ] || end_as stuck "monit did not stop watching the job: $word"
  sleep 1
done

# Only the very process that was looked at: a number can be somebody else's by now.
alive() {
  for _p in $kill_list; do
    if stat_of "${_p%%:*}" && [ "$p_start" = "${_p##*:}" ] && [ "$p_state" != Z ]; then echo "${_p%%:*}"; fi
  done
}
gone_within() { # SECONDS
  left=$(($1 * 5))
  while [ -n "$(alive)" ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    sleep 0.2
  done
}
rm -f "$pidfile"
say step pidfile $? "$(printf %s "$pidfile" | clean 200)"
_victims=$(alive)
[ -z "$_victims" ] || kill $_victims
how=TERM
if ! gone_within 25; then
  how=KILL
  kill -9 $(alive)
  gone_within 5 || end_as survived "$(alive | tr '\n' ' ')"
fi
say step kill 0 "$(printf '%s ' $_victims)($how)"

begun=$(now)
want_pid=-
answer=$(monit start "$job")
rc=$?
say step start $rc "$(printf %s "$answer" | clean 300)"
[ $rc -eq 0 ] || end_as refused
before=-
await_proof
end_as $verdict $(($(now) - begun))
