// A public key for tests that read keyrings without gpg. Nobody has its secret part any more.
#pragma once

namespace k8simg::test {

inline constexpr const char* armored_key = R"(-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawyvRxYJKwYBBAHaRw8BAQdAkNDZIT8KzQr5KPseEDZMtyIiGylcuYLF2DTT
+WMRdue0DHRlc3QgYXJjaGl2ZYiQBBMWCAA4FiEE4ru5e5AHw+gATcUitCGHeGJs
Q1UFAmsMr0cCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQtCGHeGJsQ1We
AwEAg3NXZbz87zy1dwQHTezZoZ++T08DUiMQJcBzzKLWycMBAMvhHIdxw3wBvMLP
00P5C6drQj01pIHFxE/e/nLp5pIG
=QnpW
-----END PGP PUBLIC KEY BLOCK-----
)";
inline constexpr const char* key_fingerprint = "E2BBB97B9007C3E8004DC522B4218778626C4355";

}  // namespace k8simg::test
