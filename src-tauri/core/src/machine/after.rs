//! What a step will have done.

use super::{
    Fact, Gateway, Group, Instance, Lifecycle, Modification, ModificationState, Observed, Power, Profile,
    Reservation, Role, RootVolume, RouteTable, Snapshot, SnapshotProgress, Subnet, Tags, Volume, Vpc,
};
use crate::machine::{Desired, TAG_CARRIED, TAG_COPY, TAG_FINAL, TAG_RESIZE};
use crate::names::{
    AssociationId, GatewayId, GroupId, InstanceId, PolicyId, ReservationId, RouteTableId, SnapshotId,
    SubnetId, VolumeId, VpcId,
};
use crate::plan::{self, Made, Run, Step, Waiting};

impl Observed {
    /// The world after `step`, as far as AWS documents it. `made` is the id of what it made, once that is known.
    ///
    /// Of the states that AWS passes through the first is there: an instance that was told to stop is on its way.
    pub fn after(mut self, desired: &Desired, step: &Step, made: Option<&Made>) -> Self {
        self.apply(desired, step, made);
        self
    }

    /// The world when every change that is under way has come to its end.
    pub fn settled(mut self) -> Self {
        let ending: Vec<InstanceId> = (self.instances.all().iter())
            .filter(|instance| instance.power == Power::ShuttingDown)
            .map(|instance| instance.id.clone())
            .collect();
        ending.iter().for_each(|id| self.end(id));
        let running = self.instances.all().iter().any(|i| matches!(i.power, Power::Pending | Power::Running));
        self.instances.each(|instance| {
            instance.power = match instance.power {
                Power::Pending | Power::Running => Power::Running,
                Power::Stopping | Power::Stopped => Power::Stopped,
                Power::ShuttingDown | Power::Terminated => Power::Terminated,
            };
        });
        self.volumes.each(|volume| {
            if let Fact::Present(Modification { state: state @ ModificationState::Modifying, .. }) =
                &mut volume.modification
            {
                *state = ModificationState::Optimizing;
            }
        });
        self.reservations.each(|held| held.active = true);
        self.snapshots.each(|snapshot| match snapshot.progress {
            SnapshotProgress::Pending => snapshot.progress = SnapshotProgress::Complete,
            SnapshotProgress::Complete | SnapshotProgress::Failed => {}
        });
        if running {
            self.agent = Fact::Present(());
            self.newcomer = Fact::Present(());
        }
        self
    }

    /// The same when this is what was waited for.
    pub fn settled_after(mut self, waiting: &[Waiting]) -> Self {
        if waiting.contains(&Waiting::Capacity) {
            self.short.clear();
        }
        self.settled()
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each step, read as a table")]
    fn apply(&mut self, desired: &Desired, step: &Step, made: Option<&Made>) {
        let named = |part: &str| plan::tags_for(desired, self.caller.present(), Some(&self.maker), part);
        match step {
            Step::CreateVpc => {
                let id = if let Some(Made::Vpc(id)) = made { id.clone() } else { VpcId::planned() };
                let (support, names) = (Fact::Present(true), Fact::Present(false));
                let tags = named("vpc");
                let addresses = plan::VPC_CIDR.to_owned();
                self.vpcs.push(Vpc { id, addresses, tags, dns_support: support, dns_hostnames: names });
            }
            Step::EnableDnsSupport { vpc } => self.vpc_mut(vpc, |v| v.dns_support = Fact::Present(true)),
            Step::EnableDnsHostnames { vpc } => self.vpc_mut(vpc, |v| v.dns_hostnames = Fact::Present(true)),
            Step::CreateSubnet { vpc, zone, addresses } => {
                let id = if let Some(Made::Subnet(id)) = made { id.clone() } else { SubnetId::planned() };
                let tags = named("subnet");
                let (vpc, zone, addresses) = (vpc.clone(), zone.clone(), addresses.clone());
                let way_out = Fact::NOT_LOOKED;
                self.subnets.push(Subnet {
                    id,
                    vpc,
                    zone,
                    addresses,
                    tags,
                    public_addresses: false,
                    way_out,
                });
            }
            Step::EnablePublicAddresses { subnet } => {
                self.subnets.each(|s| s.public_addresses |= &s.id == subnet);
            }
            Step::CreateGateway => {
                let id = if let Some(Made::Gateway(id)) = made { id.clone() } else { GatewayId::planned() };
                let tags = named("gateway");
                self.gateways.push(Gateway { id, vpc: None, tags });
            }
            Step::AttachGateway { gateway, vpc } => self.gateway_mut(gateway, |g| g.vpc = Some(vpc.clone())),
            Step::CreateRouteTable { vpc } => {
                let id =
                    if let Some(Made::RouteTable(id)) = made { id.clone() } else { RouteTableId::planned() };
                let (vpc, tags) = (vpc.clone(), named("routes"));
                let associations = Vec::new();
                self.route_tables.push(RouteTable { id, vpc, default_gateway: None, associations, tags });
            }
            Step::CreateDefaultRoute { table, gateway } => {
                self.table_mut(table, |t| t.default_gateway = Some(gateway.clone()));
            }
            Step::AssociateRouteTable { table, subnet } => {
                let id = if let Some(Made::Association(id)) = made {
                    id.clone()
                } else {
                    AssociationId::planned()
                };
                self.table_mut(table, |t| t.associations.push((id.clone(), subnet.clone())));
            }
            Step::CreateGroup { vpc } => {
                let id = if let Some(Made::Group(id)) = made { id.clone() } else { GroupId::planned() };
                let (vpc, tags) = (vpc.clone(), named("group"));
                self.groups.push(Group { id, vpc, inbound: Vec::new(), outbound: true, tags });
            }
            Step::RevokeInbound { group, rules } => {
                self.group_mut(group, |g| g.inbound.retain(|rule| !rules.contains(&rule.id)));
            }
            Step::AllowOutbound { group } => self.group_mut(group, |g| g.outbound = true),
            Step::CreateRole => {
                let tags = plan::tags_for(desired, self.caller.present(), None, "role");
                let name = desired.role_name();
                self.role = Fact::Present(Role { name, tags, managed: [].into(), inline: [].into() });
            }
            Step::AttachManagedPolicy { role } => self.role_mut(role, |role| {
                role.managed.insert(desired.managed_policy());
            }),
            Step::DenyParameters { role } => self.role_mut(role, |role| {
                role.inline.insert(plan::DENY_POLICY.to_owned(), plan::deny_parameters());
            }),
            Step::CreateProfile { network } => {
                let mut tags = plan::tags_for(desired, self.caller.present(), None, "profile");
                tags.extend(network.as_ref().map(|vpc| (super::TAG_NETWORK.to_owned(), vpc.to_string())));
                let name = desired.own_profile_name();
                self.profile = Fact::Present(Profile { name, tags, role: None, managed: Fact::NOT_LOOKED });
            }
            Step::AddRoleToProfile => self.profile_mut(|profile| profile.role = Some(desired.role_name())),
            Step::NextGeneration { network, generation } => {
                let tags = Tags::from([(super::TAG_GENERATION.to_owned(), generation.to_string())]);
                self.tag(&[network.as_str().to_owned()], &tags);
            }
            Step::RunInstance(run) => self.run(desired, run, made),
            Step::Protect { instance } => self.instance_mut(instance, |i| i.protected = Fact::Present(true)),
            Step::Unprotect { instance } => {
                self.instance_mut(instance, |i| i.protected = Fact::Present(false))
            }
            Step::StopOnShutdown { instance } => {
                self.instance_mut(instance, |i| i.stops_on_shutdown = Fact::Present(true));
            }
            Step::GuardMetadata { instance } => self.instance_mut(instance, |i| i.metadata_guarded = true),
            Step::Tag { resources, tags } => self.tag(resources, tags),
            Step::TagRole { role, tags } => self.role_mut(role, |role| role.tags.extend(tags.clone())),
            Step::TagProfile { tags, .. } => self.profile_mut(|profile| profile.tags.extend(tags.clone())),
            Step::Start { instance } => {
                let public = plan::gets_public_address(self);
                self.instance_mut(instance, |i| {
                    i.power = Power::Pending;
                    i.fell_short = false;
                    i.stopped_itself = false;
                    i.public_address = public;
                });
            }
            Step::Reboot { .. } => self.agent = Fact::Absent,
            Step::Stop { instance } => {
                self.instance_mut(instance, |i| {
                    i.power = Power::Stopping;
                    i.public_address = false;
                });
                self.agent = Fact::Absent;
            }
            Step::Reserve { instance_type, zone } => {
                let id = if let Some(Made::Reservation(id)) = made {
                    id.clone()
                } else {
                    ReservationId::planned()
                };
                let (instance_type, zone) = (instance_type.clone(), zone.clone());
                self.reservations.push(Reservation { id, instance_type, zone, active: false, free: true });
            }
            Step::Release { reservation } => {
                // Another one would be taken, too.
                let taken = |held: &Reservation| &held.id == reservation && held.active && !held.free;
                self.cannot_hold |= self.reservations.all().iter().any(taken);
                self.reservations.remove(|held| &held.id == reservation);
            }
            Step::BeginResize { instance, from } => self.instance_mut(instance, |i| {
                i.tags.insert(TAG_RESIZE.to_owned(), from.to_string());
            }),
            Step::SetType { instance, to } => {
                self.instance_mut(instance, |i| i.instance_type.clone_from(to));
            }
            Step::EndResize { instance } => {
                self.stopped_here = false;
                self.instance_mut(instance, |i| {
                    i.tags.remove(TAG_RESIZE);
                });
            }
            Step::GrowVolume { volume, size, iops, throughput } => self.volumes.each(|v| {
                if &v.id == volume {
                    (v.size, v.iops, v.throughput) = (*size, *iops, *throughput);
                    let state = ModificationState::Modifying;
                    v.modification = Fact::Present(Modification { state, began: None, progress: 0 });
                }
            }),
            Step::Snapshot { instance, volume, last } => {
                let id = if let Some(Made::Snapshot(id)) = made { id.clone() } else { SnapshotId::planned() };
                let mut tags = plan::tags_for(desired, self.caller.present(), None, "snapshot");
                tags.extend(last.then(|| (TAG_FINAL.to_owned(), instance.to_string())));
                let size = self.volumes.all().iter().find(|v| &v.id == volume).map_or(0, |v| v.size);
                let (volume, progress) = (Some(volume.clone()), SnapshotProgress::Pending);
                let known = self.instances.all().iter().find(|i| &i.id == instance);
                let taken = known.and_then(|i| i.launched.clone());
                let bytes = None;
                self.snapshots.push(Snapshot { id, volume, size, bytes, taken, progress, tags });
            }
            Step::KeepVolume { instance, .. } => {
                self.root_mut(instance, |root| root.goes_with_instance = false)
            }
            Step::ReleaseVolume { instance, .. } => {
                self.root_mut(instance, |root| root.goes_with_instance = true)
            }
            Step::Terminate { instance, .. } => {
                self.end(instance);
                self.agent = Fact::Absent;
            }
            Step::DeleteSnapshot { snapshot } => self.snapshots.remove(|s| &s.id == snapshot),
            Step::CreateCopy { snapshot, instance, .. } => {
                let id = if let Some(Made::Volume(id)) = made { id.clone() } else { VolumeId::planned() };
                let mut tags = plan::tags_for(desired, self.caller.present(), None, "copy");
                tags.insert(TAG_COPY.to_owned(), instance.to_string());
                let size = self.snapshots.all().iter().find(|s| &s.id == snapshot).map_or(0, |s| s.size);
                self.volumes.push(Volume {
                    id,
                    size,
                    iops: None,
                    throughput: None,
                    of: Some(snapshot.clone()),
                    created: None,
                    modification: Fact::NOT_LOOKED,
                    attached: None,
                    encrypted: true,
                    tags,
                });
            }
            Step::AttachCopy { volume, instance } => self.volumes.each(|v| {
                if &v.id == volume {
                    v.attached = Some(instance.clone());
                }
            }),
            Step::Carry { instance, snapshot, .. } => self.instance_mut(instance, |i| {
                i.tags.insert(TAG_CARRIED.to_owned(), snapshot.to_string());
            }),
            Step::DetachCopy { volume } => self.volumes.each(|v| {
                if &v.id == volume {
                    v.attached = None;
                }
            }),
            Step::Retire { instance, by } => {
                self.instance_mut(instance, |i| i.tags.extend(plan::retired(desired, by)));
            }
            Step::DeleteVolume { volume } | Step::DeleteCopy { volume } => {
                self.volumes.remove(|v| &v.id == volume)
            }
            Step::DeleteGroup { group } => self.groups.remove(|g| &g.id == group),
            Step::DisassociateRouteTable { association } => {
                self.route_tables.each(|t| t.associations.retain(|(id, _)| id != association));
            }
            Step::DeleteRouteTable { table } => self.route_tables.remove(|t| &t.id == table),
            Step::DetachGateway { gateway, .. } => self.gateway_mut(gateway, |g| g.vpc = None),
            Step::DeleteGateway { gateway } => self.gateways.remove(|g| &g.id == gateway),
            Step::DeleteSubnet { subnet } => self.subnets.remove(|s| &s.id == subnet),
            Step::DeleteVpc { vpc } => self.vpcs.remove(|v| &v.id == vpc),
            Step::RemoveRoleFromProfile { .. } => self.profile_mut(|profile| profile.role = None),
            Step::DeleteProfile { .. } => self.profile = Fact::Absent,
            Step::DetachManagedPolicy { role, policy } => self.role_mut(role, |role| {
                role.managed.remove(policy);
            }),
            Step::DeleteInlinePolicy { role, policy } => self.role_mut(role, |role| {
                role.inline.remove(policy);
            }),
            Step::DeleteRole { role } => {
                for fact in [&mut self.role, &mut self.backup_role] {
                    if fact.present().is_some_and(|known| &known.name == role) {
                        *fact = Fact::Absent;
                    }
                }
            }
            Step::CreateBackupRole => {
                let tags = plan::tags_for(desired, self.caller.present(), None, "backup");
                let name = desired.backup_role_name();
                self.backup_role = Fact::Present(Role { name, tags, managed: [].into(), inline: [].into() });
            }
            Step::AllowSnapshots { role } => self.role_mut(role, |role| {
                role.inline.insert(plan::BACKUP_POLICY.to_owned(), plan::allow_snapshots(desired));
            }),
            Step::CreateLifecycle { rule } => {
                let id = if let Some(Made::Lifecycle(id)) = made { id.clone() } else { PolicyId::planned() };
                let (tags, rule) = (named("snapshots"), Some(rule.clone()));
                self.lifecycles.push(Lifecycle { id, tags, rule, idle: None });
            }
            Step::ChangeLifecycle { policy, rule } => self.lifecycles.each(|known| {
                if &known.id == policy {
                    (known.rule, known.idle) = (Some(rule.clone()), None);
                }
            }),
            Step::TagLifecycle { policy, tags } => self.lifecycles.each(|known| {
                if &known.id == policy {
                    known.tags.extend(tags.clone());
                }
            }),
            Step::DeleteLifecycle { policy } => self.lifecycles.remove(|known| &known.id == policy),
        }
    }

    fn run(&mut self, desired: &Desired, run: &Run, made: Option<&Made>) {
        let id = if let Some(Made::Instance(id)) = made { id.clone() } else { InstanceId::planned() };
        let volume = VolumeId::planned();
        let caller = self.caller.present();
        let mut tags = plan::tags_for(desired, caller, None, "machine");
        tags.extend(run.tags());
        self.volumes.push(Volume {
            id: volume.clone(),
            size: run.volume_size,
            iops: Some(run.volume_iops),
            throughput: Some(run.volume_throughput),
            of: None,
            created: None,
            modification: Fact::NOT_LOOKED,
            attached: Some(id.clone()),
            encrypted: true,
            tags: plan::tags_for(desired, caller, None, "volume"),
        });
        self.instances.push(Instance {
            id,
            power: Power::Pending,
            instance_type: run.instance_type.clone(),
            architecture: self.offer.present().map(|offer| offer.architecture.clone()).unwrap_or_default(),
            vcpus: self.offer.present().map_or(0, |offer| offer.vcpus),
            zone: run.zone.clone(),
            vpc: Some(run.vpc.clone()),
            image: Some(run.image.clone()),
            launched: None,
            transition: None,
            fell_short: false,
            stopped_itself: false,
            root: Some(RootVolume { id: volume, device: run.root_device.clone(), goes_with_instance: true }),
            public_address: run.public_address,
            profile: Some(desired.profile_name()),
            token: Some(run.token.clone()),
            metadata_guarded: true,
            protected: Fact::Present(true),
            stops_on_shutdown: Fact::Present(true),
            tags,
        });
        match run.replaces {
            Some(_) => self.newcomer = Fact::Absent,
            None => (self.agent, self.newcomer) = (Fact::Absent, Fact::Absent),
        }
    }

    /// The instance is gone, and its root volume with it unless that was to stay.
    fn end(&mut self, id: &InstanceId) {
        let root = self.instances.all().iter().find(|i| &i.id == id).and_then(|i| i.root.clone());
        let goes = |v: &Volume| root.as_ref().is_some_and(|root| root.goes_with_instance && root.id == v.id);
        self.volumes.remove(|v| goes(v) && v.attached.as_ref() == Some(id));
        self.volumes.each(|v| v.attached = v.attached.take().filter(|to| to != id));
        self.instance_mut(id, |instance| {
            instance.power = Power::Terminated;
            instance.vpc = None;
            instance.public_address = false;
        });
    }

    fn tag(&mut self, resources: &[String], tags: &Tags) {
        let hit = |id: &str| resources.iter().any(|resource| resource == id);
        let set = |old: &mut Tags| old.extend(tags.clone());
        self.vpcs.each(|v| {
            if hit(v.id.as_str()) {
                set(&mut v.tags)
            }
        });
        self.subnets.each(|s| {
            if hit(s.id.as_str()) {
                set(&mut s.tags)
            }
        });
        self.gateways.each(|g| {
            if hit(g.id.as_str()) {
                set(&mut g.tags)
            }
        });
        self.route_tables.each(|t| {
            if hit(t.id.as_str()) {
                set(&mut t.tags)
            }
        });
        self.groups.each(|g| {
            if hit(g.id.as_str()) {
                set(&mut g.tags)
            }
        });
        self.instances.each(|i| {
            if hit(i.id.as_str()) {
                set(&mut i.tags)
            }
        });
        self.volumes.each(|v| {
            if hit(v.id.as_str()) {
                set(&mut v.tags)
            }
        });
        self.snapshots.each(|s| {
            if hit(s.id.as_str()) {
                set(&mut s.tags)
            }
        });
    }

    fn vpc_mut(&mut self, id: &VpcId, change: impl Fn(&mut Vpc)) {
        self.vpcs.each(|vpc| {
            if &vpc.id == id {
                change(vpc)
            }
        });
    }

    fn gateway_mut(&mut self, id: &GatewayId, change: impl Fn(&mut Gateway)) {
        self.gateways.each(|gateway| {
            if &gateway.id == id {
                change(gateway)
            }
        });
    }

    fn table_mut(&mut self, id: &RouteTableId, change: impl Fn(&mut RouteTable)) {
        self.route_tables.each(|table| {
            if &table.id == id {
                change(table)
            }
        });
    }

    fn group_mut(&mut self, id: &GroupId, change: impl Fn(&mut Group)) {
        self.groups.each(|group| {
            if &group.id == id {
                change(group)
            }
        });
    }

    fn instance_mut(&mut self, id: &InstanceId, change: impl Fn(&mut Instance)) {
        self.instances.each(|instance| {
            if &instance.id == id {
                change(instance)
            }
        });
    }

    fn root_mut(&mut self, id: &InstanceId, change: impl Fn(&mut RootVolume)) {
        self.instance_mut(id, |instance| {
            if let Some(root) = &mut instance.root {
                change(root)
            }
        });
    }

    fn role_mut(&mut self, name: &str, change: impl FnOnce(&mut Role)) {
        let roles = [&mut self.role, &mut self.backup_role];
        let known = roles.into_iter().find_map(|role| match role {
            Fact::Present(role) if role.name == name => Some(role),
            Fact::Present(_) | Fact::Absent | Fact::Unknown(_) => None,
        });
        if let Some(role) = known {
            change(role);
        }
    }

    fn profile_mut(&mut self, change: impl FnOnce(&mut Profile)) {
        if let Fact::Present(profile) = &mut self.profile {
            change(profile);
        }
    }
}
