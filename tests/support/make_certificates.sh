#!/bin/sh
# make_certificates.sh FOLDER: a test's own authority with certificates for a broker and two clients, valid for a day. The serial
# of the broker's differs at each call, so that a reload can be seen.
#   ca.pem, server.pem/.key (localhost, 127.0.0.1, ::1), client.pem/.key (CN boiler-7), revoked.pem/.key and crl.pem,
#   second.pem/.key (second.example), staple.pem/.key (as server, and promises an OCSP response); NAME-good.ocsp and
#   NAME-revoked.ocsp of server and staple,
#   other-ca.pem, other-client.pem/.key (signed by nobody who is trusted), wrong-name.pem/.key (elsewhere.example)
set -eu
mkdir -p "$1"
cd "$1"
umask 077
quiet() { "$@" 2>/dev/null; }
key() { quiet openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
authority() {
  key "$1.key"
  quiet openssl req -x509 -new -key "$1.key" -days 1 -subj "/CN=$2" -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign -out "$1.pem"
}
certificate() { # NAME SUBJECT EXTENSIONS AUTHORITY
  [ -e "$1.key" ] || key "$1.key"
  printf 'basicConstraints=CA:FALSE\n%s\n' "$3" >"$1.ext"
  quiet openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  quiet openssl x509 -req -in "$1.csr" -CA "$4.pem" -CAkey "$4.key" -set_serial "0x$(openssl rand -hex 8)" -days 1 -extfile "$1.ext" \
    -out "$1.pem"
}
[ -e ca.pem ] || authority ca "tests of SealMQ"
[ -e other-ca.pem ] || authority other-ca "somebody else"
certificate server /CN=localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' ca
certificate wrong-name /CN=elsewhere.example 'subjectAltName=DNS:elsewhere.example' ca
certificate second /CN=second.example 'subjectAltName=DNS:second.example,DNS:*.second.example' ca
certificate staple /CN=localhost 'subjectAltName=DNS:localhost
tlsfeature=status_request' ca
certificate client /CN=boiler-7 'subjectAltName=DNS:boiler-7.example,URI:urn:device:7,email:seven@example.org' ca
certificate revoked /CN=stolen-8 'extendedKeyUsage=clientAuth' ca
certificate other-client /CN=boiler-7 'extendedKeyUsage=clientAuth' other-ca
[ -e index.txt ] || : >index.txt
cat >ca.cnf <<TEXT
[ca]
default_ca = it
[it]
database = index.txt
default_md = sha256
default_crl_days = 1
TEXT
quiet openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out empty-crl.pem
quiet openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -revoke revoked.pem
quiet openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out crl.pem
response() { # NAME good|revoked
  serial=$(openssl x509 -in "$1.pem" -noout -serial | cut -d= -f2)
  if [ "$2" = good ]; then status='V\t991231235959Z\t'; else status='R\t991231235959Z\t200101000000Z'; fi
  printf "$status\\t%s\\tunknown\\t/CN=$1\n" "$serial" >ocsp.txt
  quiet openssl ocsp -index ocsp.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem -cert "$1.pem" -ndays 1 \
    -respout "$1-$2.ocsp" >/dev/null
}
for name in server staple; do
  response "$name" good
  response "$name" revoked
done
