import { useState } from "react";
import { download, messageOf } from "../api.ts";
import { useMay } from "../session.tsx";

/** Lets an administrator take along what this server sees. */
export function SupportBundle() {
  const mayDownload = useMay("support.download");
  const [isUnderWay, setUnderWay] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  if (!mayDownload) return null;

  const take = async (): Promise<void> => {
    setUnderWay(true);
    setProblem(null);
    try {
      const { name, content } = await download("/api/support-bundle");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(content);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      setProblem(messageOf(error));
    }
    setUnderWay(false);
  };

  return (
    <section className="card" aria-labelledby="support">
      <h2 id="support">Support bundle</h2>
      <p className="muted">What this server sees, its log, versions and settings, without secrets.</p>
      <button type="button" className="quiet" disabled={isUnderWay} onClick={() => void take()}>
        {isUnderWay ? "Collecting …" : "Download a support bundle"}
      </button>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
