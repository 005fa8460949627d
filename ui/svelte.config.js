/** The scope of a component's styles: as short as no two of them share it. */
const cssHash = ({ hash, filename }) => `s${hash(filename).slice(-3)}`;

/** @type {import("@sveltejs/vite-plugin-svelte").SvelteConfig} */
export default { compilerOptions: { runes: true, cssHash } };
