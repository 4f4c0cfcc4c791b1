import { Redirect, Route, Switch } from "wouter";
import { Frame } from "./frame.tsx";
import { AccountPage } from "./pages/account.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { HighAvailabilityPage } from "./pages/highAvailability.tsx";
import { ResourcesPage } from "./pages/resources.tsx";
import { SignInPage } from "./pages/signIn.tsx";
import { TransitionsPage } from "./pages/transitions.tsx";
import { SessionProvider, useSession } from "./session.tsx";

export function App() {
  return (
    <SessionProvider>
      <Pages />
    </SessionProvider>
  );
}

function Pages() {
  const { session, problem } = useSession();
  if (session === undefined)
    return (
      <main className="alone">
        <p role="status">{problem ?? "Loading …"}</p>
      </main>
    );
  if (session === null) return <SignInPage />;
  return (
    <Frame>
      <Switch>
        <Route path="/high-availability">
          <HighAvailabilityPage />
        </Route>
        <Route path="/resources">
          <ResourcesPage />
        </Route>
        <Route path="/audit/:kind?/:server?">
          {({ kind, server }) => <AuditPage kind={kind} server={server} />}
        </Route>
        <Route path="/transitions">
          <TransitionsPage />
        </Route>
        <Route path="/account">
          <AccountPage />
        </Route>
        <Route>
          <Redirect to="/high-availability" replace />
        </Route>
      </Switch>
    </Frame>
  );
}
