#!/bin/sh
# Makes the certificates by which the broker and its clients know each other. Needs OpenSSL 3.
#
#   sh certificates.sh FOLDER broker NAME...   the broker's, for the names or addresses by which clients reach it
#   sh certificates.sh FOLDER client ID...     one for each id: a board's id, or `hub`
#
# The first run makes the authority, ca.crt and ca.key. Whoever has ca.key can make boards: keep it off the server.
# What exists is never made again; to replace a certificate remove its two files first.
set -eu
umask 077

usage() {
    sed -n 's/^# \{0,1\}//; 2,8p' "$0" >&2
    exit 2
}

[ $# -ge 3 ] || usage
folder=$1 kind=$2
shift 2
mkdir -p "$folder"

# make NAME EXTENSIONS DAYS SUBJECT_ALT_NAMES [SIGNING OPTIONS]
make() {
    name=$1 extensions=$2 days=$3 names=$4
    shift 4
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -sha256 -days "$days" \
        -config /dev/stdin -extensions "$extensions" -keyout "$folder/$name.key" -out "$folder/$name.crt" "$@" <<CONFIG
[req]
prompt = no
distinguished_name = dn
[dn]
commonName = $name
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
# A board's certificate cannot pass for a broker's: the two are good for one side each.
[broker]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $names
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONFIG
    chmod 644 "$folder/$name.crt"
    echo "$folder/$name.crt and $name.key: $extensions, good for $days days"
}

signed() {
    [ -e "$folder/$1.crt" ] || make "$@" -CA "$folder/ca.crt" -CAkey "$folder/ca.key"
}

[ -e "$folder/ca.crt" ] || make ca authority 7300 none

case $kind in
broker)
    names=
    for name in "$@"; do
        case $name in
        *[!0-9.]*) names="$names,DNS:$name" ;;
        *) names="$names,IP:$name" ;;
        esac
    done
    signed broker broker 1095 "${names#,}"
    ;;
client)
    for id in "$@"; do
        case $id in
        ca | broker | *[!a-z0-9-]*) wrong=yes ;;
        *) wrong= ;;
        esac
        if [ "$wrong" ] || [ ${#id} -gt 32 ]; then
            echo "certificates.sh: '$id' is no id: expected 1 to 32 of a-z, 0-9 and -, other than ca and broker" >&2
            exit 2
        fi
        signed "$id" client 1095 none
    done
    ;;
*) usage ;;
esac
