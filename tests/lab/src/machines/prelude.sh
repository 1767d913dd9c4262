# Words for the lines that make something wrong on a machine, and put it right: $what is what it is called.
set -eu
export KUBECONFIG=/etc/kubernetes/admin.conf
export OPENSSL_CONF=/root/openssl.cnf
OTHER=/root/other PKI=/etc/kubernetes/pki KEPT=/root/broken/$what
put() { cp -a "$1" "$2.new" && mv "$2.new" "$2"; }
# A client's certificate that is no longer valid, as ended.crt and ended.key: of whom, and of which CA.
ended() {
  cd /root && rm -rf ended.* issued && mkdir issued && : >issued/index && echo 5f3a9c >issued/serial
  openssl req -new -newkey rsa:2048 -nodes -keyout ended.key -subj "$1" -out ended.csr 2>issued/log
  openssl ca -batch -in ended.csr -out ended.crt -notext -cert "$2.crt" -keyfile "$2.key" \
    -startdate 20240101000000Z -enddate 20250101000000Z 2>issued/log || { cat issued/log >&2; return 1; }
  chmod 600 ended.key
}
# Puts FROM in the place of TO. What stood there is kept, and what stands there now is known again by its sum.
change() {
  if [ ! -e "$KEPT/was$2" ]; then
    mkdir -p "$KEPT/was${2%/*}"
    cp -a "$2" "$KEPT/was$2"
  fi
  put "$1" "$2"
  sha256sum "$2" >>"$KEPT/sums"
  echo "$2"
}
# Puts back what was kept; but what somebody has changed since stays as it is.
restore() {
  [ -d "$KEPT/was" ] || return 0
  (cd "$KEPT/was" && find . -type f) | while read -r file; do
    file=${file#.}
    if [ -e "$file" ] && ! grep -qxF "$(sha256sum "$file")" "$KEPT/sums"; then
      echo "$file stays: it was changed since"
    else
      put "$KEPT/was$file" "$file"
    fi
  done
  rm -rf "${KEPT:?}"
}
