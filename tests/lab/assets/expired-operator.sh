# Makes an operator's identity that the cluster's own authority signed and whose time is over. Words: the coordinator's folder, the
# folder to make.
# Not older than the authority itself, which is younger than the lab.
authority=$1/issuing
mkdir -p "$2/identity"
cd "$2"
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out identity/key.pem
openssl req -new -key identity/key.pem -subj /CN=eve -out request.pem
cat > authority.cnf <<'CONFIG'
[ca]
default_ca = this
[this]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
x509_extensions = person
[any]
commonName = supplied
[person]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = critical, URI:slipway://lab/operator/eve
CONFIG
: > index.txt
echo 5EED01 > serial
openssl x509 -in "$authority/cert.pem" -out issuer.pem
openssl ca -batch -notext -config authority.cnf -cert issuer.pem -keyfile "$authority/key.pem" -in request.pem -out leaf.pem \
  -startdate "$(date --utc --date '2 minutes ago' +%Y%m%d%H%M%SZ)" -enddate "$(date --utc --date '10 seconds ago' +%Y%m%d%H%M%SZ)"
cat leaf.pem issuer.pem > identity/chain.pem
cp "$authority/root.pem" identity/root.pem
chmod 600 identity/*
printf 'coordinator = "%s"\nidentity = "identity"\n' "$3" > config.toml
