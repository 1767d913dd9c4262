# Whether monit is to watch the job $1. Set by the caller: vcap
has() {
  cat "$vcap"/monit/job/*.monitrc "$vcap"/monit/*.monitrc 2>/dev/null | head -c 262144 |
    awk -v job="$1" 'tolower($1) == "check" && tolower($2) == "process" { name = $3; gsub(/["'\'']/, "", name)
      if (name == job) found = 1 } END { exit !found }'
}
