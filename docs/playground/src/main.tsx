// The page: its head, the tabs, and the lab that the location's hash names.
// SPDX-License-Identifier: Apache-2.0
import {render} from 'preact';
import {useEffect, useErrorBoundary, useState} from 'preact/hooks';
import {useBackendName} from './backend.js';
import {LABS, type Lab, type LabModule} from './labs.js';
import {toggleTheme, useTheme} from './theme.js';

function App() {
  const lab = useLab();
  return (
    <>
      <header class="site-head">
        <h1>
          <a href="../index.html">tfjs-moe</a> playground
        </h1>
        <nav aria-label="Labs">
          {LABS.map(({name, title}) => (
            <a key={name} href={`#${name}`} aria-current={name === lab.name ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <BackendName />
        <ThemeButton />
      </header>
      <main>
        <LabView key={lab.name} lab={lab} />
      </main>
      <footer class="site-foot">
        Everything here is computed in this page by <a href="../index.html">tfjs-moe</a>; nothing is sent anywhere.
      </footer>
    </>
  );
}

/** The lab of the hash; the first where it names none. */
function useLab(): Lab {
  const find = () => LABS.find(({name}) => `#${name}` === location.hash) ?? LABS[0];
  const [lab, setLab] = useState(find);
  useEffect(() => {
    const follow = () => setLab(find);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return lab;
}

/** A lab, once it is loaded; what goes wrong in it is said in its place. */
function LabView({lab}: {lab: Lab}) {
  const [module, setModule] = useState<LabModule>();
  const [failure, setFailure] = useState<unknown>();
  const [error] = useErrorBoundary();
  useEffect(() => {
    document.title = `${lab.title} – tfjs-moe playground`;
    lab.load().then(setModule, setFailure);
  }, [lab]);
  const problem = error ?? failure;
  if (problem !== undefined) {
    return (
      <p class="notice" role="alert">
        This lab has stopped: {problem instanceof Error ? problem.message : String(problem)}
      </p>
    );
  }
  if (module) return <module.default />;
  return (
    <p class="notice" role="status">
      Loading …
    </p>
  );
}

function BackendName() {
  const name = useBackendName();
  return (
    <p class="backend" role="status">
      {name && (
        <>
          runs on <b>{name}</b>
        </>
      )}
    </p>
  );
}

function ThemeButton() {
  const theme = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <button type="button" class="theme-button" aria-label={`Change to the ${other} theme`} onClick={toggleTheme}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        {theme === 'dark' ? (
          <path d="M12 4V2m0 20v-2m8-8h2M2 12h2m13.7-5.7 1.4-1.4M4.9 19.1l1.4-1.4m0-11.4L4.9 4.9m14.2 14.2-1.4-1.4M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z" />
        ) : (
          <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z" />
        )}
      </svg>
    </button>
  );
}

render(<App />, document.getElementById('app')!);
