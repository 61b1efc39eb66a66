// The choice of the backend, among those that this browser can start.
// SPDX-License-Identifier: Apache-2.0
import {useEffect, useState} from 'preact/hooks';
import {availableBackends, useBackendName} from '../backend.js';
import {Choice} from './choice.js';

interface BackendChoiceProps {
  disabled?: boolean;
  /** The lab starts it, and makes its model anew: tensors stay where they were made. */
  onChange: (name: string) => void;
}

/** Shows the one that runs. */
export function BackendChoice({disabled, onChange}: BackendChoiceProps) {
  const running = useBackendName();
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => void availableBackends().then(setNames), []);
  if (running === undefined) return null;
  const options = [...new Set([...names, running])].map(name => ({value: name, label: name}));
  return <Choice label="Computes on" value={running} options={options} disabled={disabled} onChange={onChange} />;
}
