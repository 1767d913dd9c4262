# Orders come as lines on standard input, words of them in base64; each is answered by one line, and the first that fails
# is the last. Nothing is half done: a file is written beside its place, compared, and renamed.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
root='@ROOT@'
lock=$root/run/kubernetes-rotation.lock
told=$root/run/kubernetes-rotation.told
alone=
encode() { base64 | tr -d '\n'; }
decode() {
    case $1 in
    =*) printf %s "${1#=}" ;;
    *) printf %s "$1" | base64 -d ;;
    esac
}
order=0
answer() { echo "O $order $1"; }
fail() {
    echo "X $order $(printf %s "$1" | encode)"
    echo "E @MARK@"
    exit 0
}
# What stands at a place: `absent`, the SHA-256 of a file, `link` and where it leads, or what kind of thing it is.
state() {
    if [ -L "$1" ]; then printf 'link:%s' "$(printf %s "$(readlink "$1")" | encode)"
    elif [ -f "$1" ]; then
        [ -r "$1" ] || { printf denied; return; }
        set -- "$(sha256sum <"$1")"
        printf %s "${1%% *}"
    elif [ -d "$1" ]; then printf directory
    elif [ -e "$1" ]; then printf special
    else printf absent
    fi
}
# A kubelet reads everything in its directory of manifests.
beside() {
    directory=${1%/*}
    case $directory in */manifests) directory=${directory%/*} ;; esac
    temporary=$directory/.${1##*/}.rotation
}
flush() { sync "$@" 2>/dev/null || sync; }
# 0: to be done; 1: it is so already. Anything else was done by somebody else.
due() {
    now=$(state "$1")
    [ "$now" = "$3" ] && return 1
    case ",$2," in *",$now,"*) return 0 ;; esac
    fail "changed $1: it is neither what it was nor what it is to become ($now)"
}
put() {
    path=$root$(decode "$1")
    beside "$path"
    rm -f "$temporary"
    if ! due "$path" "$4" "$5"; then
        # Somebody may have opened a key to all; what is right is left alone.
        [ "$(stat -c %a "$path")" = "$2" ] || chmod "$2" "$path" || fail "cannot change the mode of $path"
        answer same
        return
    fi
    (set -C && printf %s "$6" | base64 -d >"$temporary") 2>/dev/null ||
        { rm -f "$temporary"; fail "cannot write $temporary: $(df -k "$directory" | tail -n 1)"; }
    [ "$(state "$temporary")" = "$5" ] || { rm -f "$temporary"; fail "$temporary was not written whole"; }
    chmod "$2" "$temporary" && chown "$3" "$temporary" && flush "$temporary" && mv -f "$temporary" "$path" ||
        { rm -f "$temporary"; fail "cannot put $path in its place"; }
    flush "$directory" "${path%/*}"
    answer made
}
link() {
    path=$root$(decode "$1")
    beside "$path"
    rm -f "$temporary"
    due "$path" "$2" "$3" || { answer same; return; }
    ln -s "$(decode "${3#link:}")" "$temporary" && mv -fT "$temporary" "$path" || fail "cannot link $path"
    flush "${path%/*}"
    answer made
}
remove() {
    path=$root$(decode "$1")
    due "$path" "$2" absent || { answer same; return; }
    rm -f "$path" || fail "cannot remove $path"
    flush "${path%/*}"
    answer made
}
boot=$(sed -n 's/^btime //p' /proc/stat 2>/dev/null)
ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
# Processes of a program; a kernel keeps fifteen letters of a name.
running() {
    short=$(printf %.15s "$1")
    for directory in /proc/[0-9]*; do
        read -r comm 2>/dev/null <"$directory/comm" || continue
        [ "$comm" = "$short" ] || [ "$comm" = hyperkube ] || continue
        words=$(tr '\000' '\n' 2>/dev/null <"$directory/cmdline" | head -n 2)
        case $words in
        "$1"* | */"$1"* | *hyperkube*"${1#kube-}"*) echo "${directory#/proc/}" ;;
        esac
    done
}
started() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    set -- ${stat##*) }
    shift 19
    echo $((boot + $1 / ticks))
}
# tell PROGRAM FILES COMMAND: who is no component has no process that would show when it was told of its files.
tell() {
    seen=$(for file in $(echo "$2" | tr , ' '); do state "$(decode "$file")"; done | sha256sum)
    [ "$(cat "$told/$1" 2>/dev/null)" = "$seen" ] && { answer same; return; }
    sh -c "$(decode "$3")" >/dev/null 2>&1 </dev/null 9<&- || fail "the command that restarts $1 ended with $?"
    # Where it cannot be noted it is told once more.
    { mkdir -p "$told" && echo "$seen" >"$told/$1"; } 2>/dev/null
    answer made
}
pause() { sleep 0.2 2>/dev/null || sleep 1; }
# restart PROGRAM WAY LIMIT FILES COMMAND
restart() {
    [ -z "$root" ] || { answer skipped; return; }
    [ "$2" != tell ] || { tell "$1" "$4" "$5"; return; }
    newest=0 code=
    for file in $(echo "$4" | tr , ' '); do
        file=$(decode "$file")
        # A link that leads back to an old file is new all the same.
        for modified in $(stat -c %Y "$file" 2>/dev/null) $(stat -L -c %Y "$file" 2>/dev/null); do
            [ "$modified" -gt "$newest" ] && newest=$modified
        done
    done
    old=$(running "$1")
    fresh=
    for pid in $old; do
        since=$(started "$pid") || continue
        [ "$since" -gt "$newest" ] && fresh=yes || { fresh=; break; }
    done
    [ -z "$fresh" ] || { answer same; return; }
    case $2 in
    kill)
        [ -n "$old" ] && kill -TERM $old 2>/dev/null
        # A server that has closed its doors and waits for its guests is the worst of both.
        for wait in 1 2 3 4 5 6 7; do
            alive=
            for pid in $old; do [ -d "/proc/$pid" ] && alive=yes; done
            [ -n "$alive" ] || break
            pause
        done
        for pid in $old; do
            [ -d "/proc/$pid" ] && running "$1" | grep -q -x "$pid" && kill -KILL "$pid" 2>/dev/null
        done
        ;;
    wait) ;;
    # What it starts is not to hold the lock for as long as it runs.
    run) sh -c "$(decode "$5")" >/dev/null 2>&1 </dev/null 9<&- || code=$? ;;
    esac
    limit=$3
    case $code in
    '') ;;
    126 | 127) fail "the command that restarts $1 ended with $code" ;;
    # Supervisors give up on what ends slowly, and start it anew all the same: what counts is that it runs.
    *) [ "$limit" -lt 90 ] || limit=90 ;;
    esac
    end=$(($(date +%s) + limit))
    while :; do
        new= left=
        for pid in $(running "$1"); do
            case " $(echo $old) " in *" $pid "*) left=yes ;; *) new=yes ;; esac
        done
        [ -n "$new" ] && [ -z "$left" ] && break
        [ "$(date +%s)" -lt "$end" ] ||
            fail "${code:+the command that restarts $1 ended with $code, and }$1 did not come back within $limit s"
        pause
    done
    answer made
}
# A command that was killed leaves behind what it had ordered, and that is carried out to its end: it is waited for.
alone() {
    [ -z "$alone" ] && [ -e "$lock" ] && command -v flock >/dev/null || return 0
    alone=yes
    exec 9<"$lock"
    end=$(($(date +%s) + 600))
    until flock -n 9; do
        [ "$(date +%s)" -lt "$end" ] || fail "the orders of an earlier command are still carried out"
        pause
    done
}
# Who works here: one rotation at a time. A lock is there as a whole, or not at all.
lock() {
    (umask 022 && mkdir -p "${lock%/*}")
    temporary=$lock.new
    rm -f "$temporary"
    (set -C && printf '%s %s\n' "$1" "$2" >"$temporary") 2>/dev/null ||
        { rm -f "$temporary"; fail "cannot lock $lock"; }
    if ln "$temporary" "$lock" 2>/dev/null; then
        rm -f "$temporary"
        answer made
        return
    fi
    rm -f "$temporary"
    [ -f "$lock" ] || fail "cannot lock $lock"
    read -r holder words <"$lock"
    [ "$holder" = "$1" ] || fail "locked $(decode "$words")"
    alone
    answer same
}
unlock() {
    [ -e "$lock" ] && read -r holder words <"$lock" && [ "$holder" = "$1" ] && rm -rf "$lock" "$lock.new" "$told"
    answer made
}
# What a kill left beside a file: it may hold a key.
tidy() {
    beside "$root$(decode "$1")"
    if [ -e "$temporary" ] || [ -L "$temporary" ]; then
        rm -f "$temporary" || fail "cannot remove $temporary"
        flush "$directory"
    fi
    answer made
}
look() {
    path=$root$(decode "$1")
    now=$(state "$path")
    facts=$(stat -c '%a %u:%g' "$path" 2>/dev/null) || facts='- -'
    answer "$now $facts"
}
# Who came to API servers since then, by certificate, user and address, and when first and last: from the end of their audit
# logs, as the servers themselves see them. Only the first of a name counts: what follows the user is what somebody else
# wrote. A row that begins with `=` says from when on a log was read.
clients() {
    [ -z "$root" ] || { answer skipped; return; }
    rows= logs= awk=
    for pid in $(running kube-apiserver); do
        log=$(tr '\000' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
            sed -n -e 's/^--audit-log-path=//p' -e '/^--audit-log-path$/{n;p;}' | tail -n 1)
        case $log in '' | -) continue ;; /*) log=/proc/$pid/root$log ;; *) log=/proc/$pid/cwd/$log ;; esac
        [ -r "$log" ] || fail "cannot read the audit log ${log#/proc/"$pid"/root}"
        # Older servers leave out by which certificate.
        tail -c 268435456 "$log" | grep -q -F X509SHA256= || continue
        for awk in awk mawk gawk 'busybox awk' ''; do command -v ${awk% awk} >/dev/null && break; done
        [ -n "$awk" ] || fail 'there is no awk to read the audit log with'
        logs=yes
        found=$(tail -c 268435456 "$log" | $awk -v since="$1" '
            function after(text, mark, n) { n = index(text, mark); return n ? substr(text, n + length(mark)) : "" }
            function before(text, mark, n) { n = index(text, mark); return n ? substr(text, 1, n - 1) : text }
            { time = before(after($0, "\"requestReceivedTimestamp\":\""), "\"") }
            time && !begin { begin = time }
            index($0, "X509SHA256=") && time >= since {
                key = before(after($0, "X509SHA256="), "\"")
                key = key "\t" before(after($0, "\"user\":{\"username\":\""), "\"")
                key = key "\t" before(after($0, "\"sourceIPs\":[\""), "\"")
                if (time > last[key]) last[key] = time
                if (!(key in first) || time < first[key]) first[key] = time
            }
            END { print "=\t" begin; for (key in last) print key "\t" first[key] "\t" last[key] }
        ') && [ -n "$found" ] || fail 'awk cannot read the audit log'
        rows="$rows$found
"
    done
    [ -n "$logs" ] || { answer 'clients none'; return; }
    answer "clients $(printf %s "$rows" | encode)"
}
echo "B @MARK@"
echo "C $(date +%s)"
for tool in base64 sha256sum stat readlink mv tr; do
    command -v $tool >/dev/null || fail "there is no $tool"
done
while read -r verb a b c d e f; do
    order=$((order + 1))
    case $verb in put | link | remove | restart | tidy) alone ;; esac
    case $verb in
    put) put "$a" "$b" "$c" "$d" "$e" "$f" ;;
    link) link "$a" "$b" "$c" ;;
    remove) remove "$a" "$b" ;;
    restart) restart "$a" "$b" "$c" "$d" "$e" ;;
    look) look "$a" ;;
    clients) clients "$a" ;;
    lock) lock "$a" "$b" ;;
    unlock) unlock "$a" ;;
    tidy) tidy "$a" ;;
    *) fail "damaged orders" ;;
    esac
done
echo "E @MARK@"
