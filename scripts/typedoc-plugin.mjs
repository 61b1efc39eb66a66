// A typedoc plugin: what the checks of the documentation should know of how this library is written, and its formulas.
// SPDX-License-Identifier: Apache-2.0
import {katex} from '@mdit/plugin-katex';
import {Converter, JSX, ReflectionKind} from 'typedoc';

/**
 * Typedoc calls a parameter that is taken apart in the signature `__namedParameters`, and finds no home for a tag such as
 * `@param options.temperature`: it is called `options` here. And two kinds of entries need no comment of their own: those of a table,
 * which the comment of the table explains, and a setter beside a documented getter. Formulas between dollars become MathML, which browsers set
 * without fonts of its own. The playground, which is built beside the pages, has a link above the navigation of each of them.
 */
export function load(app) {
  app.on('bootstrapEnd', () => {
    app.options.setValue('markdownItLoader', parser => parser.use(katex, {output: 'mathml'}));
  });
  app.renderer.hooks.on('sidebar.begin', context =>
    JSX.createElement(
      'a',
      {class: 'playground-link', href: context.relativeURL('playground/index.html')},
      'Playground',
    ),
  );
  app.converter.on(Converter.EVENT_CREATE_PARAMETER, (_context, parameter) => {
    if (parameter.name === '__namedParameters') parameter.name = 'options';
  });
  app.converter.on(Converter.EVENT_RESOLVE_END, context => {
    const tableEntries = context.project.getReflectionsByKind(ReflectionKind.Property).filter(isTableEntry);
    const setters = context.project
      .getReflectionsByKind(ReflectionKind.SetSignature)
      .filter(setter => setter.parent.getSignature?.hasComment());
    const names = [...tableEntries, ...setters]
      .filter(reflection => !reflection.hasComment())
      .map(reflection => reflection.getFriendlyFullName());
    app.options.setValue('intentionallyNotDocumented', names);
  });
}

/** Tells whether a property belongs, at any depth, to the object that a variable holds. */
function isTableEntry(property) {
  let {parent} = property;
  while (parent?.kindOf(ReflectionKind.TypeLiteral | ReflectionKind.Property)) parent = parent.parent;
  return parent?.kindOf(ReflectionKind.Variable) ?? false;
}
