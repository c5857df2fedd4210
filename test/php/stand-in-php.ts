import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../../src/support/digests.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';

const API = '20220829';
const EXTENSIONS = `lib/php/extensions/no-debug-non-zts-${API}`;

/** Like PHP's it writes a Makefile for a prefix, or gives up with `configure: error:`. */
const CONFIGURE = `#!/bin/sh
apache=no
for word do
  case $word in
  --prefix=*) prefix=\${word#--prefix=} ;;
  --with-apxs2) apache=yes ;;
  --with-broken) echo 'configure: error: Package requirements (broken >= 1) were not met' >&2; exit 1 ;;
  esac
done
for name in Makefile phpize php-config; do
  sed -e "s|@prefix@|$prefix|g" -e "s|@apache@|$apache|g" $name.in > $name
done
`;

/** `INSTALL_IT` is what PHP does for Apache outside of INSTALL_ROOT. */
const MAKEFILE = `prefix = @prefix@
to = $(INSTALL_ROOT)$(prefix)
INSTALL_IT = exit 3
all:
\tmkdir -p libs
\ttest @apache@ = no || cp /usr/lib/php/${API}/ctype.so libs/libphp.so
install: all
\tmkdir -p $(to)/bin $(to)/sbin $(to)/include/php $(to)/${EXTENSIONS}
\tcp /usr/bin/php8.2 $(to)/bin/php
\tcp /usr/sbin/php-fpm8.2 $(to)/sbin/php-fpm
\tcp /usr/lib/php/${API}/ctype.so $(to)/${EXTENSIONS}
\tinstall -m 755 phpize php-config $(to)/bin
\t@$(INSTALL_IT)
`;

/** As PHP's, it looks below its prefix. */
const PHPIZE = `#!/bin/sh
test -d @prefix@/include/php || { echo 'error: no headers below @prefix@' >&2; exit 1; }
test -r config.m4 || exit 1
cat > configure <<'END'
#!/bin/sh
folder=$("\${1#--with-php-config=}" --extension-dir)
printf 'all:\\ninstall:\\n\\tcp /usr/lib/php/${API}/tokenizer.so %s\\n' "$folder" > Makefile
END
chmod +x configure
`;

const PHP_CONFIG = `#!/bin/sh
echo @prefix@/${EXTENSIONS}
`;

export interface Tarball {
  readonly file: string;
  readonly sha256: string;
}

/** A source that is configured, made and installed as PHP's, but has the PHP of Debian's packages as what it compiles. */
export async function standInPhp(folder: string): Promise<Tarball> {
  const source = join(folder, 'php-src');
  await mkdir(source);
  await writeFile(join(source, 'configure'), CONFIGURE);
  await chmod(join(source, 'configure'), 0o755);
  await writeFile(join(source, 'Makefile.in'), MAKEFILE);
  await writeFile(join(source, 'phpize.in'), PHPIZE);
  await writeFile(join(source, 'php-config.in'), PHP_CONFIG);
  return await packed(folder, 'php.tar.gz', ['php-src']);
}

/** Debian's tokenizer as a tarball of PECL: `package.xml` stands beside the folder. */
export async function standInExtension(folder: string): Promise<Tarball> {
  await mkdir(join(folder, 'tokenizer-1.0'));
  await writeFile(join(folder, 'tokenizer-1.0/config.m4'), 'PHP_ARG_ENABLE([tokenizer])\n');
  await writeFile(join(folder, 'package.xml'), '<package/>\n');
  return await packed(folder, 'tokenizer-1.0.tgz', ['package.xml', 'tokenizer-1.0']);
}

async function packed(folder: string, name: string, what: readonly string[]): Promise<Tarball> {
  const file = join(folder, name);
  await runChecked(['tar', '-czf', file, '-C', folder, ...what], { env: toolEnvironment() });
  return { file, sha256: (await digestFile(file, ['sha256'])).digests.of('sha256') };
}
