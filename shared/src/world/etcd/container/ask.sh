LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
IFS='
'
# What is for whoever asks; in between, output is looked at here.
exec 3>&1
echo "B @MARK@"
fault() { fault=$1 said=$2; }
# The last line that says something. That a command failed is what crictl says of it, after its own words.
last() { printf '%s\n' "$1" | sed -n '/[^ ]/!b end
/terminated with exit code/!h
:end
${x;p;}'; }
# A flag of the process, else what stands for it in its environment.
setting() {
    name=ETCD_$(printf %s "$1" | tr a-z- A-Z_)
    value=$(tr '\000' '\n' 2>/dev/null <"$process/cmdline" |
        sed -n "s/^--\{0,1\}$1=//p;/^--\{0,1\}$1\$/{n;p;}")
    [ -n "$value" ] || value=$(tr '\000' '\n' 2>/dev/null <"$process/environ" | sed -n "s/^$name=//p")
    printf %s "$value"
}
# etcd's certificate for its own health check, else its server's, which clients of some makers are told to use.
credentials() {
    ca=$(setting trusted-ca-file) cert=$(setting cert-file) key=$(setting key-file)
    own=${cert%/*}/healthcheck-client
    if [ -n "$cert" ] && [ -e "$process/root$own.crt" ]; then cert=$own.crt key=$own.key; fi
    urls=$(setting listen-client-urls | tr , '\n')
    endpoint=
    for url in $urls; do
        case $url in
        *://127.0.0.1:* | *://localhost:* | *://\[::1\]:*) endpoint=$url ;;
        *://0.0.0.0:* | *://\[::\]:*) endpoint=${url%%://*}://127.0.0.1:${url##*:} ;;
        *) [ -n "$endpoint" ] || endpoint=$url ;;
        esac
    done
}
# Which program for containers knows this one.
runtime() {
    tried=
    for runtime in crictl docker ctr; do
        command -v "$runtime" >/dev/null 2>&1 || continue
        case $runtime in
        crictl) why=$(crictl inspect "$id" 2>&1 >/dev/null) ;;
        docker) why=$(docker inspect "$id" 2>&1 >/dev/null) ;;
        ctr) why=$(ctr -n k8s.io containers info "$id" 2>&1 >/dev/null) ;;
        esac && return
        tried="$tried${tried:+; }$runtime: $(last "$why")"
    done
    return 1
}
# Runs something in the container.
inside() {
    case $runtime in
    crictl) crictl exec "$id" "$@" ;;
    docker) docker exec "$id" "$@" ;;
    ctr) ctr -n k8s.io tasks exec --exec-id "look-$$-$serial" "$id" "$@" ;;
    esac
}
ctl() {
    inside $api etcdctl ${endpoint:+"--endpoints=$endpoint"} ${ca:+"--cacert=$ca"} ${cert:+"--cert=$cert"} ${key:+"--key=$key"} "$@"
}
# Before 3.4 etcdctl speaks with etcd 2, unless it is told otherwise.
version() {
    for api in '' "env${IFS}ETCDCTL_API=3"; do
        why=$(inside $api etcdctl version 2>&1)
        case $why in *'etcdctl version: 3'*) return ;; esac
    done
    return 1
}
# Values from one key to before another, as one line.
page() {
    serial=$((serial + 1))
    why=$(ctl get "$1" "$2" -w json ${revision:+"--rev=$revision"} 2>&1 >&3 3>&-)
}
# All below a prefix, some values at a time, and all as of one moment.
below() {
    list=$(ctl get "$1" --prefix --keys-only -w fields 2>&1) || {
        fault refused "$(last "$list")"
        return 1
    }
    revision=$(printf '%s\n' "$list" | sed -n 's/^"Revision" : //p')
    starts=$(printf '%s\n' "$list" | sed -n 's/^"Key" : "\(.*\)"$/\1/p' | {
        n=0
        while read -r name; do
            [ "$n" -gt 0 ] || printf '%s\n' "$name"
            n=$(((n + 1) % @PAGE@))
        done
    })
    [ -n "$starts" ] || return 0
    found=yes from=
    for next in $starts "${1%/}0"; do
        if [ -n "$from" ] && ! page "$from" "$next"; then
            # It was compacted meanwhile: what comes now is of a later moment, which is no fault.
            case $why in *compacted*) revision= ;; esac
            if [ -n "$revision" ] || ! page "$from" "$next"; then
                fault refused "$(last "$why")"
                return 1
            fi
        fi
        from=$next
    done
}
serial=0 found= fault=none said=
set -- "$root"/proc/[0-9]*
set -f
for process in "$@"; do
    first=$(tr '\000' '\n' 2>/dev/null <"$process/cmdline" | sed -n 1p)
    [ "${first##*/}" = etcd ] || continue
    id=$(sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' "$process/cgroup" 2>/dev/null | sed -n '$p')
    if [ -z "$id" ]; then
        [ "$fault" != none ] || fault bare "${process##*/}"
    elif ! runtime; then
        fault runtime "$tried"
    elif ! version; then
        fault etcdctl "$(last "$why")"
    else
        credentials
        complete=yes
        for kind in @KINDS@; do
            below "$prefix/$kind/" || { complete= && break; }
        done
        # One for events alone may stand beside it.
        if [ -n "$found" ]; then
            [ -z "$complete" ] || fault=
            break
        fi
        [ -z "$complete" ] || fault empty "$prefix"
    fi
done
# A line may have been begun.
[ -z "$fault" ] || printf '\nX %s %s\n' "$fault" "$(printf %s "$said" | base64 | tr -d '\n')"
echo "E @MARK@"
