//! TLS failures as codes. What this side found wrong is told with its reason; what the other side found wrong arrives as a bare alert and is
//! told as such.

use rustls::{AlertDescription, CertificateError, Error as Tls};
use slipway_errors::{Code, Coded};

use crate::verify::Refused;

/// What a failed handshake means.
pub fn explain(error: &Tls) -> Coded {
    match error {
        Tls::InvalidCertificate(bad) => certificate(bad),
        Tls::NoCertificatesPresented => {
            Coded::new(Code::AUTH_NO_CERTIFICATE, "the caller showed no client certificate")
        }
        Tls::AlertReceived(alert) => alerted(*alert),
        other => Coded::new(Code::WIRE_BAD_REQUEST, format!("the TLS handshake failed: {other}"))
            .do_this("make sure that a Slipway daemon listens at that address"),
    }
}

fn certificate(bad: &CertificateError) -> Coded {
    match bad {
        CertificateError::Other(other) => match other.0.downcast_ref::<Refused>() {
            Some(refused) => refused.into(),
            None => Coded::new(Code::AUTH_FOREIGN_CA, other.to_string()),
        },
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            Coded::new(Code::AUTH_EXPIRED, format!("the certificate that was shown ended {ago} s ago"))
        }
        CertificateError::Expired => Coded::new(Code::AUTH_EXPIRED, "the certificate that was shown is over"),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (&Refused::NotYet).into(),
        CertificateError::ApplicationVerificationFailure => {
            Coded::new(Code::AUTH_IDENTITY, "the certificate that was shown names no identity of this cluster")
        }
        CertificateError::UnknownIssuer => (&Refused::Foreign).into(),
        other => Coded::new(Code::AUTH_FOREIGN_CA, format!("the certificate that was shown cannot be used: {other}")),
    }
}

fn alerted(alert: AlertDescription) -> Coded {
    let (code, says) = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            (Code::AUTH_NO_CERTIFICATE, "the other side asks for a client certificate")
        }
        AlertDescription::UnknownCA => {
            (Code::AUTH_FOREIGN_CA, "the other side does not know the authority of our certificate")
        }
        AlertDescription::CertificateExpired => {
            (Code::AUTH_EXPIRED, "the other side says that our certificate is over")
        }
        AlertDescription::CertificateRevoked => {
            (Code::AUTH_REVOKED, "the other side says that our certificate was revoked")
        }
        AlertDescription::AccessDenied => {
            (Code::AUTH_IDENTITY, "the other side does not know the identity in our certificate")
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError => (Code::AUTH_FOREIGN_CA, "the other side did not accept our certificate"),
        other => {
            return Coded::new(Code::WIRE_BAD_REQUEST, format!("the other side ended the TLS handshake: {other:?}"));
        }
    };
    Coded::new(code, says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_becomes_the_code_of_its_reason() {
        let code = |alert| explain(&Tls::AlertReceived(alert)).code;
        assert_eq!(code(AlertDescription::CertificateRequired), Code::AUTH_NO_CERTIFICATE);
        assert_eq!(code(AlertDescription::UnknownCA), Code::AUTH_FOREIGN_CA);
        assert_eq!(code(AlertDescription::CertificateExpired), Code::AUTH_EXPIRED);
        assert_eq!(code(AlertDescription::AccessDenied), Code::AUTH_IDENTITY);
        assert_eq!(code(AlertDescription::ProtocolVersion), Code::WIRE_BAD_REQUEST);
    }
}
