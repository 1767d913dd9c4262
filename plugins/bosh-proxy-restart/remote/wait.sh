# How many ticks the process that stat_of saw is younger than min_age: whoever looks next must find it old enough, too.
ticks_left() {
  read -r _up _ </proc/uptime
  _part=1${_up#*.}
  echo $((min_age * hz + p_start - ${_up%.*} * hz - (_part - 100) * hz / 100))
}

# Waits until the job runs anew: sets verdict. Set by the caller: begun before want_pid min_age limit
#
# Two things are counted, each in looks one after the other: same, how often one and the same new process was there, and
# good, how often monit said besides that it runs. Monit says so only at its next poll, ten seconds later, and repeats
# itself until the one after. So once the process has been watched for a while, a second apart, monit's word is asked for
# again sooner; of a process that has just appeared it never is.
await_proof() {
  verdict=late good=0 same=0 pids=0 failures=0 last= last_pid=$before last_id=- pause=1
  while [ $(($(now) - begun)) -lt "$limit" ]; do
    sleep $pause
    pause=1
    word=$(word_of "$(monit summary)")
    read_pidfile
    if [ "$word/$pid" != "$last" ]; then
      say state $(($(now) - begun)) "$(printf %s "${word:--}" | clean 60)" "$pid"
      case $word in 'Execution failed'*) failures=$((failures + 1)) ;; esac
      last=$word/$pid
    fi
    if [ "$pid" != - ] && [ "$pid" != "$last_pid" ]; then
      pids=$((pids + 1)) last_pid=$pid
    fi
    # Monit has started it twice again by itself, or has given up twice: waiting will not help.
    if [ $pids -ge 3 ]; then verdict=crashing; break; fi
    if [ $failures -ge 2 ]; then verdict=failing; break; fi
    id=-
    [ "$pid" = - ] || ! stat_of "$pid" || id=$pid:$p_start
    [ "$id" != "$want_pid" ] || id=-
    # What was seen of another process says nothing of this one.
    [ "$id" = "$last_id" ] || same=0 good=0
    last_id=$id
    [ "$id" = - ] || same=$((same + 1))
    case $word in running | Running | OK) good=$((good + 1)) ;; *) good=0 ;; esac
    [ "$id" != - ] || good=0
    if [ $good -ge 3 ]; then
      left=$(ticks_left)
      if [ "$left" -le 0 ]; then verdict=ok; break; fi
      # The last wait is no longer than it must be.
      if [ "$left" -lt "$hz" ]; then pause=$(printf '0.%02d' $((left * 99 / hz + 1))); fi
    elif [ $same -ge 3 ]; then
      if [ $good -ge 1 ]; then pause=0.3; else pause=0.5; fi
    fi
  done
}
