# What is seen on a VM, as TAB-separated records: the first word says what a record is. Nothing is judged here that the
# caller can judge. Any POSIX shell (dash, bash, busybox), as root; nothing is written to disk.
#
# Set by the caller, quoted: vcap job job_re exes pidfile_default ports logs marks marks_at
trap '' HUP PIPE
tab=$(printf '\t')
nl='
'
blanks=" $tab$nl"
monit_bin=$vcap/bosh/bin/monit
hz=$(getconf CLK_TCK 2>/dev/null || echo 100)

say() { IFS=$tab; printf '%s\n' "$*"; IFS=$blanks; }
# One line without control characters, of so many bytes.
clean() { tr '\000-\037\177' ' ' | head -c "$1"; }
now() { read -r _up _ </proc/uptime; echo "${_up%%.*}"; }
# The descriptor of the lock must not live on in what monit starts.
monit() { timeout 20 "$monit_bin" "$@" 9<&- </dev/null 2>&1; }

# Process $1: sets p_state p_ppid p_start, or fails where there is none.
stat_of() {
  _stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- ${_stat##*) }
  p_state=$1 p_ppid=$2 p_start=${20}
}

# Monit's word for the job, out of a summary: 5.2.5's lines, and the table of newer ones.
word_of() {
  printf '%s\n' "$1" | sed -n -e "s/^Process '$job_re'  *//p" -e "s/^ $job_re  *\(.*[^ ]\)  *Process *\$/\1/p" |
    sed 's/ *$//' | head -n 1
}

# What monit is to do for the job: sets pidfile, prints its lines.
monitrc() {
  _rc=$(cat "$vcap"/monit/job/*.monitrc "$vcap"/monit/*.monitrc 2>/dev/null | head -c 262144 |
    awk -v job="$job" 'tolower($1) == "check" { name = $3; gsub(/["'\'']/, "", name)
      if (tolower($2) == "process") print "name " name; on = tolower($2) == "process" && name == job }
      on { print "line " $0 }' | head -n 200)
  printf '%s\n' "$_rc" | while read -r _kind _rest; do
    case $_kind in
    name) say rcname "$(printf %s "$_rest" | clean 100)" ;;
    line) say rcline "$(printf %s "$_rest" | clean 300)" ;;
    esac
  done
  pidfile=$(printf '%s\n' "$_rc" | sed -n 's/^line .*[Pp][Ii][Dd][Ff][Ii][Ll][Ee]  *"\{0,1\}\([^" ]*\).*/\1/p' | head -n 1)
  pidfile=${pidfile:-$pidfile_default}
  say poll "$(sed -n 's/^ *set  *daemon  *\([0-9]*\).*/\1/p' "$vcap/bosh/etc/monitrc" 2>/dev/null | head -n 1)"
}

# The pidfile: sets pid (or -).
read_pidfile() {
  pid=-
  if [ -f "$pidfile" ]; then
    pid=$(head -c 20 "$pidfile" | tr -cd 0-9)
    pid=${pid:--}
  fi
}

process() { # KIND PID EXE
  stat_of "$2" || return 1
  if [ "$(readlink "/proc/$2/ns/mnt")" = "$host_ns" ]; then _ns=host; else _ns=other; fi
  # The first two words only: later ones can hold what is nobody's business.
  _argv=$(tr '\000' '\n' <"/proc/$2/cmdline" 2>/dev/null | head -n 2 | tr '\n' ' ' | clean 200)
  say "$1" "$2" "$p_ppid" "$p_state" "$p_start" "$_ns" "$3" "$_argv"
}

# Processes of the job, by executable: sets found (PID:START ...), the host's own only.
processes() {
  host_ns=$(readlink /proc/1/ns/mnt)
  _all=$(ls -l /proc/[0-9]*/exe 2>/dev/null | sed -n 's#^.* /proc/\([0-9]*\)/exe -> \(.*\)$#\1 \2#p')
  _main=
  _named=
  if [ "$pid" != - ]; then
    _main=$(readlink "/proc/$pid/exe" 2>/dev/null)
    [ -z "$_main" ] || process pidproc "$pid" "$_main"
    # A program of a job's own under this name counts, an interpreter of the system does not.
    case $_main in "$vcap"/*) _named=${_main##*/}; _named=${_named% (deleted)} ;; esac
  fi
  found= _n=0
  set -f
  IFS=$nl
  set -- $_all
  IFS=$blanks
  set +f
  for _line in "$@"; do
    _pid=${_line%% *} _exe=${_line#* }
    _base=${_exe##*/}
    _base=${_base% (deleted)}
    case " $exes $_named " in *" $_base "*) ;; *) continue ;; esac
    _n=$((_n + 1))
    [ $_n -le 40 ] || continue
    process proc "$_pid" "$_exe" || continue
    case $_ns:$_exe in host:"$vcap"/*) found="$found${found:+ }$_pid:$p_start" ;; esac
  done
  [ $_n -le 40 ] || say more proc "$_n"
}

# Ports that listen: all that processes of the job hold, and who else holds those that it should.
listeners() {
  _open=$(for _f in tcp tcp6; do
    while read -r _ _local _ _st _ _ _ _ _ _inode _; do
      [ "$_st" = 0A ] && echo "$_f $((0x${_local##*:})) $_inode"
    done <"/proc/net/$_f"
  done 2>/dev/null)
  _held=
  set -f
  IFS=$nl
  set -- $_open
  IFS=$blanks
  set +f
  for _p in $found; do
    _p=${_p%%:*}
    _socks=" $(ls -l "/proc/$_p/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p' | tr '\n' ' ')"
    _n=0
    for _line in "$@"; do
      _f=${_line%% *} _inode=${_line##* } _port=${_line#* }
      _port=${_port% *}
      case $_socks in *" $_inode "*) ;; *) continue ;; esac
      _held="$_held $_inode"
      _n=$((_n + 1))
      [ $_n -gt 60 ] || say listen "$_f" "$_port" "$_p"
    done
    [ $_n -le 60 ] || say more listen "$_n"
  done
  for _line in "$@"; do
    _f=${_line%% *} _inode=${_line##* } _port=${_line#* }
    _port=${_port% *}
    case " $ports " in *" $_port "*) ;; *) continue ;; esac
    case "$_held " in *" $_inode "*) continue ;; esac
    _who=$(ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v s="socket:[$_inode]" '/^\/proc/ { split($1, a, "/"); p = a[3] }
      index($0, s) { print p; exit }')
    say rival "$_f" "$_port" "${_who:--}" "$(readlink "/proc/${_who:-0}/exe" 2>/dev/null)"
  done
}

complaints='address already in use|bind:|[Ff]ailed to (bind|listen)|[Cc]an.?t open .?nodePort|already running|Timed Out|[Kk]ill timed out|[Ss]tale pidfile|[Pp]idfile .*doesn.t exist'

# Counts the complaints in what comes in, by kind and by the process that the klog header names.
count_complaints() { # PATH
  _hits=$(head -c 4194304 | grep -a -E "$complaints" | cut -c 1-400)
  [ -n "$_hits" ] || return 0
  printf '%s\n' "$_hits" | sed 's/^[IWEF][0-9]\{4\} [0-9:.]*  *\([0-9]*\) /[\1] /' | sort | uniq -c | sort -rn | head -n 12 |
    while read -r _count _text; do say logkind "$1" "$_count" "$(printf %s "$_text" | clean 300)"; done
  say logfirst "$1" "$(printf '%s\n' "$_hits" | head -n 1 | clean 300)"
  say loglast "$1" "$(printf '%s\n' "$_hits" | tail -n 1 | clean 300)"
}

# Only what the processes that run now have said, by the klog header, or by the last start of a control script.
of_the_living() {
  _pids=
  for _p in $found; do _pids="$_pids ${_p%%:*}"; done
  tail -c 1048576 | awk -v pids="$_pids " '/^---- starting / { n = 0; keep = 1; next }
    /^[IWEF][0-9][0-9][0-9][0-9] / { keep = index(pids, " " $3 " ") > 0 }
    keep { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }'
}

# The rest of a log that was moved or copied away: its newest copy, if that is younger than the mark.
moved_away() { # PATH INODE OFFSET
  for _old in "$1.1" "$1.1.gz"; do
    [ -f "$_old" ] && [ "$(stat -c %Y "$_old")" -ge "$marks_at" ] || continue
    case $_old in
    *.gz) gzip -dc "$_old" 2>/dev/null ;;
    *) cat "$_old" ;;
    esac | tail -c "+$(($3 + 1))"
    return 0
  done
}

# The logs: from the marks on where there are some, else what the living have said. Sets new_marks.
logs_read() {
  new_marks= _n=0
  for _glob in $logs; do
    for _log in "$vcap"/sys/log/$_glob; do
      [ -f "$_log" ] && [ ! -L "$_log" ] || continue
      case $_log in *[!A-Za-z0-9/_.-]*) continue ;; esac
      _n=$((_n + 1))
      [ $_n -le 12 ] || continue
      _inode=$(stat -c %i "$_log") _size=$(stat -c %s "$_log")
      new_marks="$new_marks$_inode:$_size:$_log$nl"
      _mark=$(printf '%s' "$marks" | grep -F ":$_log" | grep "^[0-9]*:[0-9]*:$_log\$" | head -n 1)
      _from=${_mark#*:}
      _from=${_from%%:*}
      if [ -z "$marks" ]; then
        say log "$_inode:$_size:$_log" living 0
        of_the_living <"$_log" | count_complaints "$_log"
      elif [ -z "$_mark" ]; then
        say log "$_inode:$_size:$_log" whole 0
        count_complaints "$_log" <"$_log"
      elif [ "${_mark%%:*}" = "$_inode" ] && [ "$_size" -ge "$_from" ]; then
        say log "$_inode:$_size:$_log" since "$_from"
        tail -c "+$((_from + 1))" "$_log" | count_complaints "$_log"
      else
        if [ "${_mark%%:*}" = "$_inode" ]; then _how=truncated; else _how=rotated; fi
        say log "$_inode:$_size:$_log" $_how "$_from"
        { moved_away "$_log" "${_mark%%:*}" "$_from"; cat "$_log"; } | count_complaints "$_log"
      fi
    done
  done
  [ $_n -le 12 ] || say more log "$_n"
}

summary() { # prints monit's summary as records, sets word and summary_rc
  _text=$(monit summary)
  summary_rc=$?
  word=$(word_of "$_text")
  say monit-rc summary $summary_rc
  printf '%s\n' "$_text" | head -n 60 | clean_lines | while read -r _line; do say monit "$_line"; done
}
clean_lines() { tr '\000-\011\013-\037\177' ' ' | cut -c 1-160; }

beside() {
  for _dir in "$vcap/sys/log" "$vcap/data" /; do
    [ -d "$_dir" ] || continue
    _df=$(df -Pk "$_dir" 2>/dev/null | tail -n 1 | awk '{ print $6 "\t" $5 "\t" $4 }')
    [ -z "$_df" ] || say disk "$_dir" "$_df"
  done
  sed -n 's/^\(bosh_[^:]*\):[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1 \2/p' /etc/passwd | head -n 20 |
    while read -r _name _home; do
      [ "$_name" != "${SUDO_USER:-}" ] || continue
      _made=$(stat -c %Y "$_home" 2>/dev/null) || continue
      say account "$_name" $(($(date +%s) - _made))
    done
}

look() {
  read -r _up _ </proc/uptime
  say probe 1 "$(date +%s)" "$_up" "$(cat /proc/sys/kernel/random/boot_id)" "$(hostname | clean 80)" "$hz"
  [ -x "$monit_bin" ] || say no-monit "$monit_bin"
  summary
  monitrc
  read_pidfile
  _age=-
  [ ! -f "$pidfile" ] || _age=$(($(date +%s) - $(stat -c %Y "$pidfile")))
  say pidfile "$(printf %s "$pidfile" | clean 200)" "$pid" "$_age"
  processes
  listeners
  logs_read
  beside
}

# One at a time on a VM: sets nothing, fails where another one is at work. $1: seconds to wait for it.
lock() {
  for _dir in "$vcap/data" "$vcap" /; do [ -d "$_dir" ] && break; done
  exec 9<"$_dir"
  _left=$1
  until flock -n 9; do
    [ "$_left" -gt 0 ] || return 1
    _left=$((_left - 1))
    sleep 1
  done
}
