"""TLS of the local cluster: an authority of its own, so that clients verify in full."""

from local_dsql.tls.store import ALPN, CertificateStore

__all__ = ["ALPN", "CertificateStore"]
