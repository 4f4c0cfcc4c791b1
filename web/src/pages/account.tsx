import { type FormEvent, useEffect, useState } from "react";
import { Changes, messageOf } from "../api.ts";
import { useSession } from "../session.tsx";

/** Who is signed in, and the own password. */
export function AccountPage() {
  const { session } = useSession();
  useEffect(() => {
    document.title = "Account · pg-continuity";
  }, []);
  return (
    <>
      <h1>Account</h1>
      <p>
        Signed in as <strong>{session?.account.name}</strong>, {session?.account.role}.
      </p>
      <PasswordForm />
    </>
  );
}

function PasswordForm() {
  const { renew } = useSession();
  const [problem, setProblem] = useState<string | null>(null);
  const [isDone, setDone] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [changes] = useState(() => new Changes());
  const change = async (form: HTMLFormElement): Promise<void> => {
    const fields = new FormData(form);
    const text = (name: string): string => String(fields.get(name) ?? "");
    setProblem(null);
    setDone(false);
    if (text("newPassword") !== text("again")) {
      setProblem("The new password was typed in two ways.");
      return;
    }
    setBusy(true);
    try {
      const body = { currentPassword: text("currentPassword"), newPassword: text("newPassword") };
      await changes.send("PUT", "/api/account/password", body);
      setDone(true);
      form.reset();
      await renew();
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    void change(event.currentTarget);
  };
  return (
    <form className="card form" onSubmit={submit} aria-labelledby="password">
      <h2 id="password">Change the password</h2>
      <label>
        Current password
        <input name="currentPassword" type="password" autoComplete="current-password" required />
      </label>
      <label>
        New password (at least 12 characters)
        <input
          name="newPassword"
          type="password"
          autoComplete="new-password"
          required
          minLength={12}
          maxLength={200}
        />
      </label>
      <label>
        New password again
        <input name="again" type="password" autoComplete="new-password" required />
      </label>
      <p className="problem" role="alert">
        {problem}
      </p>
      <p role="status">
        {isDone && "The password is changed. All other sessions of this account have ended."}
      </p>
      <div className="row">
        <button type="submit" disabled={isBusy}>
          Change it
        </button>
      </div>
    </form>
  );
}
