PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE account ( id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, authority TEXT NOT NULL REFERENCES authority (name), spec TEXT NOT NULL, contacts TEXT NOT NULL, terms_of_service_agreed INTEGER NOT NULL, only_existing INTEGER NOT NULL, eab_kid TEXT, eab_key BLOB, eab_mac TEXT NOT NULL CHECK (eab_mac IN ('HS256', 'HS384', 'HS512')), origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')), key_type TEXT NOT NULL, key BLOB, thumbprint TEXT, jwk TEXT, public_pem TEXT, spki_sha256 TEXT, next_key BLOB, next_spki_sha256 TEXT, terms_agreed_url TEXT, terms_due INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL DEFAULT 'pending', url TEXT, ca_object TEXT, initial_ip TEXT, ca_created_at TEXT, ca_orders TEXT, last_error TEXT, active_job TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
INSERT INTO "account" VALUES(1,'main','pebble','{"authority":"pebble","contacts":["mailto:admin@example.com"],"key":null,"only_existing":false,"terms_of_service_agreed":true}','["mailto:admin@example.com"]',1,0,NULL,NULL,'HS256','api','ec-p256',X'0141B7CE05D902D4B1725E750C39C9799A10065BC6D3DF9C8FAD231F370232B4EFEE92F6C7249837E0023805E6209372150DEFFD400CEA14EEFD60FCB8B978717B20F1DB77979B194C3B86678AE9324543D3D8C7611F18EB0C50C11D2625FB8EFBFFF6789EAAB6054D21DF0B124E1831AC3E1967E7DB20B70020EECDB676F220E02B7AA90940CA42E0A1E37911A8E2759C6697228254A2F57F90B060EF76C078E63FBD0FAD15EBD2B5DD9F','hDwJY1q6Y2Nz-KStxFWJKPedlNPuNvSMMlZef9nlWwk','{"crv":"P-256","kty":"EC","x":"LsjHHKFppTLM146jQLQ09GYoARbcTJGY52Qw09v7tMA","y":"vYkPaZJeL_aDSBKIqiwz0pH8dGh1dCS3rcPbFgBTKeQ"}','-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELsjHHKFppTLM146jQLQ09GYoARbc
TJGY52Qw09v7tMC9iQ9pkl4v9oNIEoiqLDPSkfx0aHV0JLetw9sWAFMp5A==
-----END PUBLIC KEY-----
','a4924032e9670cdf0f7938a8607347e7e0c2588c5be29ba43b0970c3de23fea3',NULL,NULL,NULL,0,'valid','https://127.0.0.1:16815/my-account/11687637527d0f0b','{
   "status": "valid",
   "contact": [
      "mailto:admin@example.com"
   ],
   "orders": "https://127.0.0.1:16815/list-orderz/11687637527d0f0b",
   "key": {
      "kty": "EC",
      "crv": "P-256",
      "x": "LsjHHKFppTLM146jQLQ09GYoARbcTJGY52Qw09v7tMA",
      "y": "vYkPaZJeL_aDSBKIqiwz0pH8dGh1dCS3rcPbFgBTKeQ"
   }
}',NULL,NULL,NULL,NULL,NULL,1795289928794,1795289928981);
CREATE TABLE account_limit ( account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE, step TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (account_id, step)) STRICT;
CREATE TABLE acme_order ( n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE CHECK (length (id) = 26), job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE, certificate_id INTEGER NOT NULL, certificate TEXT NOT NULL, version INTEGER NOT NULL, account TEXT NOT NULL, authority TEXT NOT NULL, url TEXT, status TEXT NOT NULL, document TEXT, finalize_url TEXT, certificate_url TEXT, expires_at INTEGER NOT NULL, error TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
INSERT INTO "acme_order" VALUES(1,'01M7ZSWN9H72Y7Z29RC1ZKSSHG','01M7ZSWN9CWAVEJJ74DDS3TTPV',1,'www.example.org',1,'main','pebble','https://127.0.0.1:16815/my-order/8-w7s425WVnGzg5IWVUdU6iJf28lb-760uN7SRB1FfM','valid','{
   "status": "valid",
   "expires": "2026-11-22T19:38:49Z",
   "identifiers": [
      {
         "type": "dns",
         "value": "www.example.org"
      }
   ],
   "finalize": "https://127.0.0.1:16815/finalize-order/8-w7s425WVnGzg5IWVUdU6iJf28lb-760uN7SRB1FfM",
   "authorizations": [
      "https://127.0.0.1:16815/authZ/Swwrlfbw7c_h9T8Z9L-8Y8WV5AtFc8m8v3ljLGthhJc"
   ],
   "certificate": "https://127.0.0.1:16815/certZ/512e230ef3575e8d"
}','https://127.0.0.1:16815/finalize-order/8-w7s425WVnGzg5IWVUdU6iJf28lb-760uN7SRB1FfM','https://127.0.0.1:16815/certZ/512e230ef3575e8d',1795376329000,NULL,1795289929096,1795289929169);
CREATE TABLE authority ( name TEXT PRIMARY KEY NOT NULL, directory_url TEXT NOT NULL, trust_bundle TEXT, test INTEGER NOT NULL, eab_required INTEGER NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')), directory TEXT, terms_of_service TEXT, directory_fetched_at INTEGER NOT NULL DEFAULT 0, parked_until INTEGER NOT NULL DEFAULT 0, parked_reason TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
INSERT INTO "authority" VALUES('letsencrypt','https://acme-v02.api.letsencrypt.org/directory',NULL,0,0,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('letsencrypt-staging','https://acme-staging-v02.api.letsencrypt.org/directory',NULL,1,0,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('zerossl','https://acme.zerossl.com/v2/DV90',NULL,0,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('google','https://dv.acme-v02.api.pki.goog/directory',NULL,0,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('google-staging','https://dv.acme-v02.test-api.pki.goog/directory',NULL,1,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('sslcom-rsa','https://acme.ssl.com/sslcom-dv-rsa',NULL,0,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('sslcom-ecc','https://acme.ssl.com/sslcom-dv-ecc',NULL,0,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('actalis','https://acme-api.actalis.com/acme/directory',NULL,0,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('sectigo','https://acme.sectigo.com/v2/DV',NULL,0,1,'builtin',NULL,NULL,0,0,NULL,1795289928767,1795289928767);
INSERT INTO "authority" VALUES('pebble','https://127.0.0.1:16815/dir','-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUKv3vc1V+qkXK6nfz6sgiCfOO5YYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJdGVzdHMnIENBMB4XDTI2MTEyMTE5Mzg0NloXDTI2MTEyMzE5
Mzg0NlowFDESMBAGA1UEAwwJdGVzdHMnIENBMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAETXybB3zfd1qacKYtSeWs6Xx59XZzpDhw7lPN4QHTBIFeDaDiKta5hV0o
olq3cOUNpwJFclsKLLpVBXAhYvESm6NjMGEwHQYDVR0OBBYEFGo8q6MSwlCBAgOg
yQEDulagta+/MB8GA1UdIwQYMBaAFGo8q6MSwlCBAgOgyQEDulagta+/MA8GA1Ud
EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49BAMCA0kAMEYCIQCx
5iFMCMQp5IfPsTBp8K4AM8TXhrL4qq52t+QyQ2JDjQIhANm6usLTLu9F4doKf9Bi
duUAdpCi3uJ4jcjZMXublYJ2
-----END CERTIFICATE-----
',1,0,'config','{
   "keyChange": "https://127.0.0.1:16815/rollover-account-key",
   "meta": {
      "externalAccountRequired": false,
      "termsOfService": "data:text/plain,Do%20what%20thou%20wilt"
   },
   "newAccount": "https://127.0.0.1:16815/sign-me-up",
   "newNonce": "https://127.0.0.1:16815/nonce-plz",
   "newOrder": "https://127.0.0.1:16815/order-plz",
   "revokeCert": "https://127.0.0.1:16815/revoke-cert"
}',NULL,1795289928981,0,NULL,1795289928770,1795289928770);
CREATE TABLE authorization ( acme_order TEXT NOT NULL REFERENCES acme_order (id) ON DELETE CASCADE, idx INTEGER NOT NULL, url TEXT NOT NULL, step TEXT NOT NULL CHECK (step IN ('new', 'chosen', 'announced', 'presented', 'visible',  'responded', 'valid', 'invalid')), status TEXT, document TEXT, identifier_type TEXT, identifier_value TEXT, wildcard INTEGER NOT NULL, challenge_type TEXT, challenge_url TEXT, token TEXT, key_authorization TEXT, solver TEXT, record_name TEXT, record_zone TEXT, record_value TEXT, detail TEXT, error TEXT, PRIMARY KEY (acme_order, idx)) STRICT;
INSERT INTO "authorization" VALUES('01M7ZSWN9H72Y7Z29RC1ZKSSHG',0,'https://127.0.0.1:16815/authZ/Swwrlfbw7c_h9T8Z9L-8Y8WV5AtFc8m8v3ljLGthhJc','valid','valid','{
   "status": "valid",
   "identifier": {
      "type": "dns",
      "value": "www.example.org"
   },
   "challenges": [
      {
         "type": "http-01",
         "url": "https://127.0.0.1:16815/chalZ/kD9uHvUhsHjZvy250CVoJ3orTLmKox8tmLq2uqPbRYk",
         "token": "hyTOTMJCgcEZaR5uIxfvNivxxPJNpDdAtTvegUYJPlg",
         "status": "valid",
         "validated": "2026-11-21T19:38:49Z"
      }
   ],
   "expires": "2026-11-21T20:38:49Z"
}','dns','www.example.org',0,'http-01','https://127.0.0.1:16815/chalZ/kD9uHvUhsHjZvy250CVoJ3orTLmKox8tmLq2uqPbRYk','hyTOTMJCgcEZaR5uIxfvNivxxPJNpDdAtTvegUYJPlg','hyTOTMJCgcEZaR5uIxfvNivxxPJNpDdAtTvegUYJPlg.hDwJY1q6Y2Nz-KStxFWJKPedlNPuNvSMMlZef9nlWwk','http-01',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE certificate ( id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, revision INTEGER NOT NULL DEFAULT 1, identifiers TEXT NOT NULL, account_id INTEGER NOT NULL REFERENCES account (id), profile TEXT, validity_ms INTEGER NOT NULL DEFAULT 0, preferred_chain TEXT, challenge TEXT, challenge_solver TEXT, email TEXT, labels TEXT NOT NULL, key_type TEXT NOT NULL, key_reuse INTEGER NOT NULL, given_key BLOB, given_csr BLOB, given_spki_sha256 TEXT, retry_for_ms INTEGER NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')), version INTEGER NOT NULL DEFAULT 0, renew INTEGER NOT NULL, renew_before_ms INTEGER NOT NULL, renew_ari INTEGER NOT NULL, renew_stopped INTEGER NOT NULL DEFAULT 0, next_renewal_at INTEGER NOT NULL DEFAULT 0, renewal TEXT, last_error TEXT, active_job TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
INSERT INTO "certificate" VALUES(1,'www.example.org','{"account":"main","authority":null,"challenge":null,"email":null,"identifiers":["www.example.org"],"key":null,"preferred_chain":null,"profile":null,"reuse":false}',1,'["www.example.org"]',1,NULL,0,NULL,NULL,NULL,NULL,'{"team":"web"}','ec-p256',0,NULL,NULL,NULL,86400000,'api',1,1,0,1,0,1899577649809,'{"version":1,"window_start":0,"window_end":0,"asked_at":0,"ask_again_at":1795376329177}',NULL,NULL,1795289929004,1795289929169);
CREATE TABLE clock ( only INTEGER PRIMARY KEY CHECK (only = 1), since INTEGER NOT NULL, shifted INTEGER NOT NULL, moved INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE credential ( name TEXT PRIMARY KEY NOT NULL, type TEXT NOT NULL, settings TEXT NOT NULL, secrets_set TEXT NOT NULL, secrets BLOB NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')), created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE data_key ( only INTEGER PRIMARY KEY CHECK (only = 1), wrapped BLOB NOT NULL, created_at INTEGER NOT NULL) STRICT;
INSERT INTO "data_key" VALUES(1,X'0141B7CE0555F4D053C222F9AB09BC09938453B20D0D3546985E41BEFD88A1B2F691F36C91A9041428FF562F38294094D9F683C5BC3AAC8A90DD9FC19658F944CC',1795289928762);
CREATE TABLE deployment ( id INTEGER PRIMARY KEY AUTOINCREMENT, certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE CASCADE, position INTEGER NOT NULL, target TEXT NOT NULL REFERENCES target (name), parameters TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 0, deployed_at INTEGER NOT NULL DEFAULT 0, memory TEXT NOT NULL DEFAULT '{}', failures INTEGER NOT NULL DEFAULT 0, error TEXT, active_job TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE (certificate_id, target, parameters)) STRICT;
CREATE TABLE duty ( id INTEGER PRIMARY KEY AUTOINCREMENT, acme_order TEXT NOT NULL, idx INTEGER NOT NULL, solver TEXT NOT NULL, record_name TEXT NOT NULL, record_zone TEXT, record_value TEXT NOT NULL, state TEXT, UNIQUE (acme_order, idx, record_name, record_value)) STRICT;
CREATE TABLE event ( seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE, step TEXT NOT NULL, message TEXT NOT NULL) STRICT;
INSERT INTO "event" VALUES(1,1795289928794,'01M7ZSWN2TD8W7FRY8Z9NX30C3','keygen','queued');
INSERT INTO "event" VALUES(2,1795289928801,'01M7ZSWN2TD8W7FRY8Z9NX30C3','keygen','the account''s key is made');
INSERT INTO "event" VALUES(3,1795289928981,'01M7ZSWN2TD8W7FRY8Z9NX30C3','register','registered: https://127.0.0.1:16815/my-account/11687637527d0f0b');
INSERT INTO "event" VALUES(4,1795289929004,'01M7ZSWN9CWAVEJJ74DDS3TTPV','prepare','queued');
INSERT INTO "event" VALUES(5,1795289929096,'01M7ZSWN9CWAVEJJ74DDS3TTPV','prepare','key and CSR are made');
INSERT INTO "event" VALUES(6,1795289929096,'01M7ZSWN9CWAVEJJ74DDS3TTPV','order','ordered: https://127.0.0.1:16815/my-order/8-w7s425WVnGzg5IWVUdU6iJf28lb-760uN7SRB1FfM');
INSERT INTO "event" VALUES(7,1795289929096,'01M7ZSWN9CWAVEJJ74DDS3TTPV','authorize','1 of 1 names are to be proven');
INSERT INTO "event" VALUES(8,1795289929096,'01M7ZSWN9CWAVEJJ74DDS3TTPV','present','1 challenge is answered by ourselves');
INSERT INTO "event" VALUES(9,1795289929150,'01M7ZSWN9CWAVEJJ74DDS3TTPV','respond','the CA was asked to look');
INSERT INTO "event" VALUES(10,1795289929150,'01M7ZSWN9CWAVEJJ74DDS3TTPV','validate','the CA has validated all 1 names');
INSERT INTO "event" VALUES(11,1795289929169,'01M7ZSWN9CWAVEJJ74DDS3TTPV','collect','the certificate is issued');
INSERT INTO "event" VALUES(12,1795289929169,'01M7ZSWN9CWAVEJJ74DDS3TTPV','download','valid until 2031-11-21T19:38:48.000Z, serial 512e230ef3575e8d');
INSERT INTO "event" VALUES(13,1795289929169,'01M7ZSWNEHWKY6MY9NEPV854JK','plan','queued');
INSERT INTO "event" VALUES(14,1795289929177,'01M7ZSWNEHWKY6MY9NEPV854JK','plan','the renewal is planned for 2030-03-12T20:27:29.809Z');
CREATE TABLE feed (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO "feed" VALUES(1,14);
CREATE TABLE idempotency ( scope TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, job TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (scope, key)) STRICT, WITHOUT ROWID;
CREATE TABLE job ( n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE CHECK (length (id) = 26), kind TEXT NOT NULL, state TEXT NOT NULL CHECK  (state IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')), step TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0, wake_epoch INTEGER NOT NULL DEFAULT -1, lane TEXT NOT NULL, due_at INTEGER NOT NULL, resource_type TEXT NOT NULL, resource_name TEXT NOT NULL, resource_id INTEGER NOT NULL, part INTEGER NOT NULL, args TEXT NOT NULL, exclusive INTEGER NOT NULL, error TEXT, deadline_at INTEGER NOT NULL, cancel_requested_at INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, finished_at INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "job" VALUES(1,'01M7ZSWN2TD8W7FRY8Z9NX30C3','account.create','succeeded','register',0,2,-1,'ca:pebble',9223372036854775807,'account','main',1,0,'{}',1,NULL,1795376328794,0,1795289928794,1795289928981,1795289928981);
INSERT INTO "job" VALUES(2,'01M7ZSWN9CWAVEJJ74DDS3TTPV','certificate.issue','succeeded','download',0,3,-1,'ca:pebble',9223372036854775807,'certificate','www.example.org',1,0,'{}',1,NULL,1795376329004,0,1795289929004,1795289929169,1795289929169);
INSERT INTO "job" VALUES(3,'01M7ZSWNEHWKY6MY9NEPV854JK','certificate.renew','waiting','plan',1,3,-1,'local',1795310122910,'certificate','www.example.org',1,-1,'{}',1,NULL,9223372036854775807,0,1795289929169,1795289929177,0);
CREATE TABLE solver ( name TEXT PRIMARY KEY NOT NULL, type TEXT NOT NULL, zones TEXT NOT NULL, credential TEXT REFERENCES credential (name), settings TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')), created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
INSERT INTO "solver" VALUES('http-01','http-01','[]',NULL,'{}','builtin',1795289928767,1795289928767);
INSERT INTO "solver" VALUES('tls-alpn-01','tls-alpn-01','[]',NULL,'{}','builtin',1795289928767,1795289928767);
CREATE TABLE solver_zone ( zone TEXT NOT NULL, solver TEXT NOT NULL REFERENCES solver (name) ON DELETE CASCADE, PRIMARY KEY (zone, solver)) STRICT, WITHOUT ROWID;
CREATE TABLE target ( name TEXT PRIMARY KEY NOT NULL, type TEXT NOT NULL, credential TEXT REFERENCES credential (name), settings TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')), created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE token ( name TEXT PRIMARY KEY NOT NULL, hash BLOB NOT NULL CHECK (length (hash) = 32), created_at INTEGER NOT NULL) STRICT;
INSERT INTO "token" VALUES('admin',X'B299CA656A62250A4104E209864F4E2875FBD39E81C2E9DB9826DFF6D32FEB3F',1795289928766);
CREATE TABLE version ( certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE CASCADE, n INTEGER NOT NULL CHECK (n > 0), revision INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('prepared', 'valid', 'revoked', 'failed')), key_type TEXT NOT NULL, key BLOB, spki_sha256 TEXT NOT NULL, csr BLOB NOT NULL, leaf TEXT, chain TEXT, serial TEXT, issuer TEXT, not_before INTEGER NOT NULL DEFAULT 0, not_after INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, issued_at INTEGER NOT NULL DEFAULT 0, revoked_at INTEGER NOT NULL DEFAULT 0, revocation_reason INTEGER NOT NULL DEFAULT -1, PRIMARY KEY (certificate_id, n)) STRICT;
INSERT INTO "version" VALUES(1,1,1,'valid','ec-p256',X'0141B7CE05F8639DB87FDA247E0A574957A3738BB7DE6637A2A108FCA85D65631A1A9DA2639712F2BFC1F970F870A9A23D0648A78C05575EA325FDE98852BBECD4BE06249E2AB6F1AA3887A2D4BBEEAA36D88EE496A754D771D9203AD3C6DDAF75B63E02E63B4E3AF75EA0A95E6DABA50AC48997CA8AA55D61FBFEB9802BDF5EE6FA6C2B576DCC4E1E8D0FC6A3AA45A82255866C90053D802C439C9CA758C6B51E7951A56D8C9258DAD848','cfc8ef4cba6f78b11c95a2ce2321b815eda362d09d6ab68cbfc8122923dc933a',X'3081E830818F02010030003059301306072A8648CE3D020106082A8648CE3D03010703420004A6B0EAACD66F3ABBEEB3B4E77E0E0DC2D36BBDC90E75FEACEDB57A90270B7C28B87D13B148D4BA646F22253859BF098633CC25009DA687ED9EEC5622F0E9EB43A02D302B06092A864886F70D01090E311E301C301A0603551D1104133011820F7777772E6578616D706C652E6F7267300A06082A8648CE3D0403020348003045022100B89C40B74D28B6AC164A8D58AA9217722C7E769F39DEBB77118960B20DF965E602203FED8E8E88B4F55EB3F0491F889DE8A41B6E851AD146416C908050CE46ED494C','-----BEGIN CERTIFICATE-----
MIICljCCAX6gAwIBAgIIUS4jDvNXXo0wDQYJKoZIhvcNAQELBQAwKDEmMCQGA1UE
AxMdUGViYmxlIEludGVybWVkaWF0ZSBDQSAyNWU4OWMwHhcNMjYxMTIxMTkzODQ5
WhcNMzExMTIxMTkzODQ4WjAaMRgwFgYDVQQDEw93d3cuZXhhbXBsZS5vcmcwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAASmsOqs1m86u+6ztOd+Dg3C02u9yQ51/qzt
tXqQJwt8KLh9E7FI1LpkbyIlOFm/CYYzzCUAnaaH7Z7sViLw6etDo4GcMIGZMA4G
A1UdDwEB/wQEAwIFoDAdBgNVHSUEFjAUBggrBgEFBQcDAQYIKwYBBQUHAwIwDAYD
VR0TAQH/BAIwADAdBgNVHQ4EFgQUjij2xZDXhxBjM0+bqdEMjdvlK8AwHwYDVR0j
BBgwFoAUZfBfpXpkqP20DK4WugOce/1ZHsUwGgYDVR0RBBMwEYIPd3d3LmV4YW1w
bGUub3JnMA0GCSqGSIb3DQEBCwUAA4IBAQBG6fKzbp4iYR4KVuENcxGw77KrUEEa
jGaNkWwR/Xp9EyaJ83Wrd7RSy3BdyxCXvNx2M9Hw4QPVHv1NaNrOL823JShWWL2R
g0ocbuZihgehM2Pbvzutb4RiZtGB6nDazAPaVo0cKOKUDFOz3FUtnyMyeEiGP8q0
khh53G+0vAFy0QAixpBzAQ5MuOJj93G9f1iOPG5wCWpCtBrONUCDgJmPJA6eM2pw
+loUWvHKNvmJ+BrtQ81k3zHSSEBaT1Hk2FWM3Di1Y9RkX+KAhBZhCTeyUtrBPMCn
V3+uMDul68jxSsR3GJmF0cYXweLJZL1TeCvGX+uOYLSASNvp07sbvDPw
-----END CERTIFICATE-----
','-----BEGIN CERTIFICATE-----
MIIDUDCCAjigAwIBAgIIFRZhkuIpfwswDQYJKoZIhvcNAQELBQAwIDEeMBwGA1UE
AxMVUGViYmxlIFJvb3QgQ0EgNGUyNzIxMCAXDTI2MTEyMTE5Mzg0OFoYDzIwNTYx
MTIxMTkzODQ4WjAoMSYwJAYDVQQDEx1QZWJibGUgSW50ZXJtZWRpYXRlIENBIDI1
ZTg5YzCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAKycE/lwayat0HnX
EUUn6f1QgNOpy6dI8HfInFSew/jrud4ikv/cukDeakd5NYTLQMBDWINWjiohF3wL
j3iTRQziCgys5uITEFr9J+up3QqpOspQ4jl64DgI/w7t3z+sa7gU3K/6oLvaLE3M
v9/4e6oawb/9FCTlLIzCAbiUjHBC2rGBrHkf1DxfVjmP/mspY7YeTGLg4PPu7bCV
5UckCJh70KR+yrYNhMRcN2TK167GjZp0Ut4MRUV6wKxmkFaD8XJhI29M8Njr/Y4Y
m46tAeqyd3XYoQ6inFqPMDX+Jvyn3w4JHeqcKrTJLpiVpo4LpoDkV3/EjLaXKV+Y
ktv/K0kCAwEAAaOBgzCBgDAOBgNVHQ8BAf8EBAMCAoQwHQYDVR0lBBYwFAYIKwYB
BQUHAwEGCCsGAQUFBwMCMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFGXwX6V6
ZKj9tAyuFroDnHv9WR7FMB8GA1UdIwQYMBaAFKoTiKgJ/MSvT7Mj72IwhgsrYkU5
MA0GCSqGSIb3DQEBCwUAA4IBAQChvctWtEkTEMTkrB0Kl/pqpgXjwWpHode/QVdy
/j9+FmHLnmHGdLTJ6iHlPlJ1rFIbGh8lBrF4pkW786zT8XoMe6wWk8naiGJMR63I
EJMaGQXsvlKr4F+coo/cAqGdb+91a3k9OJWLFcUDYjrRzdO2iHZruCRCE/H39zpK
+S3MXJW//lU164GnXxOqp8UlMEB4JmvAmBlkkfpT+IBdnUrpdi308yE54Rto8GKF
Gbk6f/ejhvz+HjZMZQOyyhWMnRZYd3+l5ewggwUrgbWjhB5PsjVhXyZiPmBC4JVN
BjO7fV0KqmZ90QArIGvUSljMu26PT50JEKnSNxsIU49TAU6s
-----END CERTIFICATE-----
','512e230ef3575e8d','CN=Pebble Intermediate CA 25e89c',1795289929000,1953056328000,1795289929096,1795289929169,0,-1);
CREATE UNIQUE INDEX account_of_key ON account (authority, spki_sha256) WHERE spki_sha256 IS NOT NULL;
CREATE INDEX account_by_key ON account (spki_sha256);
CREATE INDEX account_by_next_key ON account (next_spki_sha256) WHERE next_spki_sha256 IS NOT NULL;
CREATE INDEX solver_by_credential ON solver (credential);
CREATE INDEX solver_zone_by_solver ON solver_zone (solver);
CREATE INDEX target_by_credential ON target (credential);
CREATE INDEX certificate_by_account ON certificate (account_id);
CREATE INDEX certificate_by_solver ON certificate (challenge_solver) WHERE challenge_solver IS NOT NULL;
CREATE INDEX certificate_by_given_key ON certificate (given_spki_sha256) WHERE given_spki_sha256 IS NOT NULL;
CREATE INDEX version_by_key ON version (spki_sha256);
CREATE INDEX deployment_by_target ON deployment (target);
CREATE INDEX job_due ON job (lane, due_at) WHERE finished_at = 0;
CREATE UNIQUE INDEX job_exclusive ON job (kind, resource_type, resource_name, resource_id, part) WHERE exclusive = 1 AND finished_at = 0 AND cancel_requested_at = 0;
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at > 0;
CREATE INDEX job_by_resource ON job (resource_type, resource_name);
CREATE INDEX job_by_kind ON job (kind, state);
CREATE INDEX event_by_job ON event (job, seq);
CREATE INDEX acme_order_by_job ON acme_order (job);
CREATE INDEX acme_order_by_certificate ON acme_order (certificate);
CREATE INDEX acme_order_by_certificate_id ON acme_order (certificate_id);
CREATE INDEX duty_by_solver ON duty (solver);
CREATE INDEX idempotency_by_time ON idempotency (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('account',1);
INSERT INTO "sqlite_sequence" VALUES('job',3);
INSERT INTO "sqlite_sequence" VALUES('certificate',1);
INSERT INTO "sqlite_sequence" VALUES('acme_order',1);
INSERT INTO "sqlite_sequence" VALUES('duty',1);
COMMIT;
