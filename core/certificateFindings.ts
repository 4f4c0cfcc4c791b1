import type { Observation } from "./observation.ts";
import { renewal } from "./ownCertificate.ts";
import type { Finding } from "./status.ts";

/** So long before its end a certificate is a finding, in days. */
export const warnDays = 30;

/** What the certificate is called that the gateway shows to clients, where it is one of one's own. */
export const ownCertificate = "gateway-clients";

const day = 24 * 3600 * 1000;

/** When a certificate ends; null where it could not be seen. */
export interface CertificateStatus {
  readonly of: string;
  readonly expiresAt: string | null;
  readonly detail: string | null;
}

const subjects: Readonly<Record<string, string>> = {
  authority: "certificate of the authority",
  [ownCertificate]: "certificate that the gateway shows to clients",
};

/** The certificates as they were seen. */
export function certificateStatus({ certificates }: Observation): readonly CertificateStatus[] {
  return certificates.map(({ of, seen }) =>
    seen.known
      ? { of, expiresAt: seen.value.expiresAt, detail: seen.value.problem }
      : { of, expiresAt: null, detail: seen.reason },
  );
}

/**
 * Certificates that clients do not accept, or soon will not. What could not be seen is no finding here: a node that
 * does not answer is one already.
 */
export function certificateFindings({ certificates, observedAt }: Observation): readonly Finding[] {
  const now = Date.parse(observedAt);
  return certificates.flatMap(({ of, seen }) => {
    if (!seen.known) return [];
    const { expiresAt, problem } = seen.value;
    const days = Math.floor((Date.parse(expiresAt) - now) / day);
    const subject = subjects[of] ?? `certificate of ${of}`;
    const renew = (again: string) =>
      of === ownCertificate ? `Set the renewed one: ${renewal}.` : `Renew all certificates: ${again}.`;
    const date = expiresAt.slice(0, 10);
    if (days < 0)
      return [
        {
          subject,
          problem: `has expired on ${date}`,
          remedy: renew("npm run rotate -- certificates --force"),
        },
      ];
    if (problem !== null)
      return [{ subject, problem: `is not accepted (${problem})`, remedy: "Deliver it again: npm run up." }];
    if (days >= warnDays) return [];
    return [
      {
        subject,
        problem: `expires on ${date}, in ${days} days`,
        remedy: renew("npm run rotate -- certificates"),
      },
    ];
  });
}
